//! Real control planes, Git servers and Muster processes for black-box tests, demo and benchmarks
