//! The tasks that are still to come into a completion queue, the oldest first: what a wait for ever comes down to.
//!
//! ```text
//! slots: [ ends | task | vacant | task | ... ]     ends.next: the oldest     ends.before: the newest
//! ```
//!
//! A list through a vector (Knuth, The Art of Computer Programming, volume 1, 2.2.5): in and out are a few steps, and who
//! looks for one that can come meets no gaps.

use super::word::TaskId;

struct Slot {
    task: TaskId,
    before: u32,
    next: u32,
}

/// See above.
pub(super) struct Pending {
    /// Slot 0 is the ends of the list. Empty until something is put in.
    slots: Vec<Slot>,
    /// The vacant slots, by `next`; 0: none.
    vacant: u32,
}

/// More slots are given back when the list is empty.
const KEPT: usize = 1024;

impl Pending {
    pub(super) const fn new() -> Self {
        Self { slots: Vec::new(), vacant: 0 }
    }

    /// Puts a task in; its slot.
    pub(super) fn insert(&mut self, task: TaskId) -> u32 {
        if self.slots.is_empty() {
            self.slots.push(Slot { task, before: 0, next: 0 });
        }
        let before = self.slots[0].before;
        let at = match self.vacant {
            0 => {
                self.slots.push(Slot { task, before, next: 0 });
                u32::try_from(self.slots.len() - 1).expect("fewer than there are handles")
            }
            at => {
                self.vacant = self.slots[at as usize].next;
                self.slots[at as usize] = Slot { task, before, next: 0 };
                at
            }
        };
        self.slots[before as usize].next = at;
        self.slots[0].before = at;
        at
    }

    /// Takes the task in a slot out.
    pub(super) fn remove(&mut self, at: u32) {
        let Slot { before, next, .. } = self.slots[at as usize];
        self.slots[before as usize].next = next;
        self.slots[next as usize].before = before;
        self.slots[at as usize].next = self.vacant;
        self.vacant = at;
        if self.slots[0].next == 0 && self.slots.len() > KEPT {
            *self = Self::new();
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = TaskId> + '_ {
        let after = |at: u32| self.slots.get(at as usize).map(|slot| slot.next).filter(|&next| next != 0);
        std::iter::successors(after(0), move |&at| after(at)).map(|at| self.slots[at as usize].task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(pending: &Pending) -> Vec<u32> {
        pending.iter().map(TaskId::slot).collect()
    }

    #[test]
    fn those_that_are_left_are_in_the_order_in_which_they_came() {
        let mut pending = Pending::new();
        assert_eq!(numbers(&pending), []);
        let at: Vec<u32> = (0..6).map(|number| pending.insert(TaskId::new(number, 1))).collect();
        pending.remove(at[0]);
        pending.remove(at[3]);
        pending.remove(at[5]);
        assert_eq!(numbers(&pending), [1, 2, 4]);
        for number in 6..9 {
            pending.insert(TaskId::new(number, 1));
        }
        assert_eq!(numbers(&pending), [1, 2, 4, 6, 7, 8]);
        assert_eq!(pending.slots.len(), 7, "slots are used again");
    }

    #[test]
    fn a_long_list_gives_its_memory_back_when_it_is_empty() {
        let mut pending = Pending::new();
        let at: Vec<u32> = (0..2000).map(|number| pending.insert(TaskId::new(number, 1))).collect();
        at.into_iter().for_each(|at| pending.remove(at));
        assert_eq!(pending.slots.capacity(), 0);
        pending.insert(TaskId::new(1, 1));
        assert_eq!(numbers(&pending), [1]);
    }
}
