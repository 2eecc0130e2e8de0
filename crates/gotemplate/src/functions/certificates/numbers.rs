//! The arithmetic of RSA and DSA keys. The search for primes is the library's.

use crypto_bigint::{BoxedUint, ConcatenatingMul as _, Gcd as _, NonZero, Resize as _, Word};
use crypto_primes::hazmat::{SetBits, SmallFactorsSieveFactory};
use crypto_primes::{Flavor, is_prime, random_prime, sieve_and_find};
use rand::Rng as _;

/// The numbers of an RSA key, in the order of PKCS #1.
#[derive(Clone)]
pub(super) struct Rsa {
    pub(super) modulus: Vec<u8>,
    pub(super) exponent: Vec<u8>,
    pub(super) secret: Vec<u8>,
    pub(super) primes: [Vec<u8>; 2],
    /// The secret modulo each prime less one, and the inverse of the second prime.
    pub(super) remainders: [Vec<u8>; 3],
}

/// The most bits of a modulus: the checks of a longer one would take long.
const MAX_BITS: usize = 16_384;
const EXPONENT: u32 = 65_537;

fn bytes(number: &BoxedUint) -> Vec<u8> {
    number.to_be_bytes_trimmed_vartime().into_vec()
}

fn minus_one(number: &BoxedUint) -> BoxedUint {
    number.wrapping_sub(BoxedUint::one())
}

fn nonzero(number: BoxedUint) -> Option<NonZero<BoxedUint>> {
    Option::from(number.into_nz())
}

fn prime_of_rsa(bits: u32) -> Option<BoxedUint> {
    // With two bits set, the product of two has as many bits as both together.
    let sieve = SmallFactorsSieveFactory::new(Flavor::Any, bits, SetBits::TwoMsb).ok()?;
    let found = sieve_and_find(&mut rand::rng(), sieve, |_, number| is_prime(Flavor::Any, number));
    found.ok().flatten()
}

impl Rsa {
    pub(super) fn generate(bits: u32) -> Result<Self, &'static str> {
        // A second try is needed only when 65537 divides one of the primes less one.
        const TRIES: usize = 10;
        (0..TRIES).find_map(|_| Self::try_generate(bits)).ok_or("no primes were found")
    }

    fn try_generate(bits: u32) -> Option<Self> {
        let (p, q) = (prime_of_rsa(bits / 2)?, prime_of_rsa(bits / 2)?);
        if p == q {
            return None;
        }
        let (below_p, below_q) = (minus_one(&p), minus_one(&q));
        let common = nonzero(below_p.gcd(&below_q))?;
        let order = nonzero(below_p.concatenating_mul(&below_q).wrapping_div(&common))?;
        let exponent = BoxedUint::from(EXPONENT).resize(bits);
        let secret = Option::<BoxedUint>::from(exponent.invert_mod(&order))?;
        let inverse = Option::<BoxedUint>::from(q.invert_odd_mod(p.as_odd_vartime()?))?;
        let remainder = |order: &BoxedUint| Some(bytes(&secret.rem(order.as_nz_vartime()?)));
        Some(Self {
            modulus: bytes(&p.concatenating_mul(&q)),
            exponent: EXPONENT.to_be_bytes()[1..].to_vec(),
            secret: bytes(&secret),
            remainders: [remainder(&below_p)?, remainder(&below_q)?, bytes(&inverse)],
            primes: [bytes(&p), bytes(&q)],
        })
    }

    /// Whether the numbers are those of one key.
    ///
    /// # Errors
    /// The first thing that is wrong, in Go's words.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.modulus.len() * 8 > MAX_BITS {
            return Err("crypto/rsa: the modulus is too large");
        }
        let wrong = |number: &Vec<u8>| number.is_empty() || number.len() > self.modulus.len();
        let all = self.primes.iter().chain(&self.remainders).chain([&self.secret]);
        if all.into_iter().any(wrong) {
            return Err("crypto/rsa: invalid prime");
        }
        self.check_exponent()?;
        let number = |bytes: &Vec<u8>| BoxedUint::from_be_slice_vartime(bytes);
        let modulus = number(&self.modulus);
        let [p, q] = self.primes.each_ref().map(number);
        if !odd(&modulus) {
            return Err("crypto/rsa: public modulus is even");
        }
        if p.concatenating_mul(&q).cmp_vartime(&modulus).is_ne() {
            return Err("crypto/rsa: p * q != n");
        }
        let [dp, dq, inverse] = self.remainders.each_ref().map(number);
        let (secret, exponent) = (number(&self.secret), number(&self.exponent));
        for (prime, remainder) in [(&p, &dp), (&q, &dq)] {
            let order = minus_one(prime);
            let order = order.as_nz_vartime().ok_or("crypto/rsa: invalid prime")?;
            let is_one = remainder.concatenating_mul(&exponent).rem(order).is_one().to_bool();
            if !is_one || remainder.cmp_vartime(&**order).is_ge() {
                return Err("crypto/rsa: invalid CRT exponent");
            }
            if secret.rem(order).cmp_vartime(remainder).is_ne() {
                return Err("crypto/rsa: d does not match dP or dQ");
            }
        }
        let prime = p.as_nz_vartime().ok_or("crypto/rsa: invalid prime")?;
        if inverse.cmp_vartime(&p).is_ge()
            || !inverse.concatenating_mul(&q).rem(prime).is_one().to_bool()
        {
            return Err("crypto/rsa: invalid CRT coefficient");
        }
        if secret.cmp_vartime(&modulus).is_ge() {
            return Err("crypto/rsa: d is too large");
        }
        let half = modulus.bits_vartime() / 2;
        let (larger, smaller) = if p.cmp_vartime(&q).is_gt() { (&p, &q) } else { (&q, &p) };
        let larger = larger.resize(modulus.bits_precision());
        if larger.wrapping_sub(smaller).bits_vartime() <= half.saturating_sub(100) {
            return Err("crypto/rsa: |p - q| too small");
        }
        if secret.bits_vartime() <= half {
            return Err("crypto/rsa: d too small");
        }
        Ok(())
    }

    fn check_exponent(&self) -> Result<(), &'static str> {
        match self.exponent.as_slice() {
            [] | [1] => Err("crypto/rsa: public exponent too small or negative"),
            [.., last] if last % 2 == 0 => Err("crypto/rsa: public exponent is even"),
            [0x80..=0xff, _, _, _] | [_, _, _, _, _, ..] => {
                Err("crypto/rsa: public exponent too large")
            }
            _ => Ok(()),
        }
    }
}

fn odd(number: &BoxedUint) -> bool {
    number.as_odd_vartime().is_some()
}

/// The numbers of a DSA key, in the order in which they are written.
#[derive(Clone)]
pub(super) struct Dsa {
    pub(super) modulus: Vec<u8>,
    pub(super) order: Vec<u8>,
    pub(super) generator: Vec<u8>,
    pub(super) public: Vec<u8>,
    pub(super) secret: Vec<u8>,
}

const DSA_BITS: u32 = 2048;
const DSA_ORDER_BITS: u32 = 256;

impl Dsa {
    /// New parameters and a key, 2048 over 256 bits, by the steps of FIPS 186-4 but for its seed.
    pub(super) fn generate() -> Self {
        loop {
            let order: BoxedUint = random_prime(&mut rand::rng(), Flavor::Any, DSA_ORDER_BITS);
            if let Some(key) = Self::over(&order) {
                return key;
            }
        }
    }

    fn over(order: &BoxedUint) -> Option<Self> {
        // Of some 700 candidates one is prime.
        const CANDIDATES: usize = 10_000;
        let wide = order.resize(DSA_BITS);
        let step = nonzero(wide.wrapping_add(&wide))?;
        let prime = (0..CANDIDATES).find_map(|_| candidate(&step))?;
        let cofactor = minus_one(&prime).wrapping_div(wide.as_nz_vartime()?);
        let field = prime.as_odd_vartime()?;
        let generator = BoxedUint::from(2_u32).resize(DSA_BITS).pow_mod(&cofactor, field);
        if generator.is_one().to_bool() {
            return None;
        }
        let secret = below(&wide)?;
        let public = generator.pow_mod(&secret, field);
        Some(Self {
            modulus: bytes(&prime),
            order: bytes(order),
            generator: bytes(&generator),
            public: bytes(&public),
            secret: bytes(&secret),
        })
    }
}

fn random(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// A random number that is one more than a multiple of `step`, when it is prime.
fn candidate(step: &NonZero<BoxedUint>) -> Option<BoxedUint> {
    let mut bytes = random((DSA_BITS / 8) as usize);
    bytes[0] |= 0x80;
    let number = BoxedUint::from_be_slice_vartime(&bytes);
    let number = number.wrapping_sub(number.rem(step)).wrapping_add(BoxedUint::one());
    let fits = number.bits_vartime() == DSA_BITS && !has_small_factor(&number);
    (fits && is_prime(Flavor::Any, &number)).then_some(number)
}

/// Odd divisors that are tried before the slow test; that not all are prime costs little.
const SMALL_DIVISORS: Word = 2_000;

fn has_small_factor(number: &BoxedUint) -> bool {
    (3..SMALL_DIVISORS).step_by(2).any(|divisor| {
        let divisor = NonZero::new(crypto_bigint::Limb(divisor)).expect("3 and more");
        number.rem_limb(divisor).0 == 0
    })
}

/// A random number between nothing and `order`.
fn below(order: &BoxedUint) -> Option<BoxedUint> {
    // Half of the tries succeed.
    const TRIES: usize = 200;
    let numbers = (0..TRIES).map(|_| {
        BoxedUint::from_be_slice_vartime(&random((DSA_ORDER_BITS / 8) as usize)).resize(DSA_BITS)
    });
    let mut fitting =
        numbers.filter(|number| number.bits_vartime() > 0 && number.cmp_vartime(order).is_lt());
    fitting.next()
}

/// Whether this is a secret on a curve with `order` points: not zero and below it.
pub(super) fn is_below(secret: &[u8], order: &[u8]) -> bool {
    secret.iter().any(|byte| *byte != 0) && secret < order
}
