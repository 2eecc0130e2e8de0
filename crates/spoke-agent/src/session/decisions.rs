//! Cuts a report of decision objects into messages. Pure.

use model::decision::{DecisionList, DecisionObject, DecisionResource};
use proto::BATCH_BYTES;
use proto::session::Decisions;

use crate::decisions::Reported;

/// The most objects of one piece, however small they are.
const PIECE_OBJECTS: usize = 2_000;

/// The messages that say all of it; only the last one is marked as such.
pub(super) fn pieces(reported: &Reported, sequence: u64) -> Vec<Decisions> {
    let mut cutter = Cutter { sequence, done: Vec::new(), lists: Vec::new(), objects: 0, bytes: 0 };
    for (resource, list) in reported {
        cutter.list(resource, list);
    }
    cutter.cut(true);
    cutter.done
}

struct Cutter {
    sequence: u64,
    done: Vec<Decisions>,
    /// Of the present piece.
    lists: Vec<(DecisionResource, DecisionList)>,
    objects: usize,
    bytes: usize,
}

impl Cutter {
    fn list(&mut self, resource: &DecisionResource, list: &DecisionList) {
        let objects = match list {
            DecisionList::Whole(objects) => objects,
            DecisionList::Failed(reason) => {
                return self.lists.push((resource.clone(), DecisionList::Failed(reason.clone())));
            }
        };
        // A list without objects is said, too.
        self.begin(resource);
        for object in objects {
            let bytes = object.body().len();
            if self.objects > 0
                && (self.bytes + bytes > BATCH_BYTES || self.objects >= PIECE_OBJECTS)
            {
                self.cut(false);
                self.begin(resource);
            }
            self.add(object.clone());
            self.objects += 1;
            self.bytes += bytes;
        }
    }

    fn begin(&mut self, resource: &DecisionResource) {
        self.lists.push((resource.clone(), DecisionList::Whole(Vec::new())));
    }

    fn add(&mut self, object: DecisionObject) {
        if let Some((_, DecisionList::Whole(objects))) = self.lists.last_mut() {
            objects.push(object);
        }
    }

    fn cut(&mut self, last: bool) {
        let lists = std::mem::take(&mut self.lists);
        self.done.push(Decisions { sequence: self.sequence, lists, last });
        (self.objects, self.bytes) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::decision::MAX_OBJECT_BYTES;
    use proto::MAX_MESSAGE_BYTES;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_piece_fits_a_message_and_nothing_is_lost() {
        let resource = |name: &str| DecisionResource::new("x.example/v1", name, "").unwrap();
        let object = |of: &DecisionResource, number: usize, filler: usize| {
            let object = json!({"apiVersion": "x.example/v1", "kind": "X",
                "metadata": {"name": format!("o-{number}")}, "status": {"x": "y".repeat(filler)}});
            DecisionObject::reduce(of, &object).unwrap()
        };
        let (small, large) = (resource("smalls"), resource("larges"));
        let many: Vec<_> = (0..5_000).map(|number| object(&small, number, 10)).collect();
        let heavy = (0..3).map(|number| object(&large, number, MAX_OBJECT_BYTES - 200)).collect();
        let reported: Reported = BTreeMap::from([
            (small.clone(), DecisionList::Whole(many.clone())),
            (large, DecisionList::Whole(heavy)),
            (resource("none"), DecisionList::Whole(Vec::new())),
            (resource("failed"), DecisionList::Failed("forbidden".into())),
        ]);
        let pieces = pieces(&reported, 7);
        assert!(pieces.len() > 4, "{}", pieces.len());
        let mut found: BTreeMap<DecisionResource, Vec<DecisionObject>> = BTreeMap::new();
        for (index, piece) in pieces.iter().enumerate() {
            assert_eq!((piece.sequence, piece.last), (7, index + 1 == pieces.len()));
            let mut bytes = 0;
            for (resource, list) in &piece.lists {
                let all = found.entry(resource.clone()).or_default();
                let DecisionList::Whole(objects) = list else { continue };
                bytes += objects.iter().map(|object| object.body().len()).sum::<usize>();
                all.extend(objects.iter().cloned());
            }
            assert!(bytes < MAX_MESSAGE_BYTES / 2, "{bytes}");
        }
        assert_eq!(found.len(), 4);
        assert_eq!(found[&small], many);
    }
}
