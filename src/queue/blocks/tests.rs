//! What the queue does, in one thread and under load.

use super::*;

fn take(blocks: &Blocks, most: usize) -> Vec<Entry> {
    let mut batch = vec![0; most];
    let taken = blocks.take(&mut batch);
    batch.truncate(taken);
    batch
}

#[test]
fn entries_come_out_in_order_across_blocks() {
    let blocks = Blocks::new();
    let count = SLOTS as u64 * 3 + 5;
    assert!(blocks.is_empty() && take(&blocks, 7).is_empty());
    (0..count).for_each(|entry| {
        blocks.push(entry);
    });
    assert_eq!(blocks.len(), count as usize);
    let mut next = 0;
    while !blocks.is_empty() {
        for entry in take(&blocks, 7) {
            assert_eq!(entry, next);
            next += 1;
        }
        assert_eq!(blocks.len() as u64, count - next);
    }
    assert_eq!(next, count);
}

#[test]
fn each_entry_of_four_producers_is_taken_once_and_in_its_producers_order() {
    let (blocks, each) = (Blocks::new(), 50_000);
    std::thread::scope(|scope| {
        for producer in 0..4 {
            let blocks = &blocks;
            scope.spawn(move || {
                (0..each).for_each(|entry| {
                    blocks.push(producer * each + entry);
                })
            });
        }
        let mut next = [0; 4];
        while next != [each; 4] {
            for entry in take(&blocks, 100) {
                let producer = (entry / each) as usize;
                assert_eq!(entry % each, next[producer]);
                next[producer] += 1;
            }
        }
    });
    assert!(blocks.is_empty());
}
