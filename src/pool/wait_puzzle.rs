//! Whether a wait can end: the part of the graph that it leads to, as goals that need each other.
//!
//! ```text
//! goal { missing: 2, needed_by: [..] }   solved when nothing is missing; then each goal that needs it misses one less
//! ```
//!
//! Starting from what needs nothing this reaches the least solution, in steps linear in the size of the puzzle
//! (Dowling and Gallier, "Linear-time algorithms for testing the satisfiability of propositional Horn formulae", 1984).

use super::wait_graph::{Facts, Graph, Needs, Node, Question};
use crate::task::TaskId;
use std::collections::BTreeMap;

/// What a goal stands for: the end of something.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Key {
    Node(Node),
    /// The node's own wait, without what runs on top of it.
    Wait(Node),
    Idle(u32),
    Group(u64),
    /// A thread for a queued task: the caller of `solve` knows.
    Thread(TaskId),
}

struct Goal {
    key: Key,
    /// How many more it needs.
    missing: usize,
    needed_by: Vec<usize>,
}

/// The goals; the first is the one that is asked about.
pub(super) struct Puzzle {
    goals: Vec<Goal>,
}

impl Puzzle {
    /// Lays out what `key` leads to, and solves what can be.
    pub(super) fn new(graph: &Graph, facts: &impl Facts, question: Question, key: Key) -> Self {
        let mut puzzle = Self { goals: Vec::new() };
        let mut known = BTreeMap::from([(key, 0)]);
        let mut solved = Vec::new();
        puzzle.goals.push(Goal { key, missing: 0, needed_by: Vec::new() });
        let mut next = 0;
        while next < puzzle.goals.len() {
            let (missing, keys) = match graph.needs(facts, question, puzzle.goals[next].key) {
                Needs::All(keys) => (keys.len(), keys),
                Needs::Any(keys) => (1, keys),
            };
            puzzle.goals[next].missing = missing;
            if missing == 0 {
                solved.push(next);
            }
            for key in keys {
                let index = *known.entry(key).or_insert(puzzle.goals.len());
                if index == puzzle.goals.len() {
                    puzzle.goals.push(Goal { key, missing: 0, needed_by: Vec::new() });
                }
                puzzle.goals[index].needed_by.push(next);
            }
            next += 1;
        }
        puzzle.spread(solved);
        puzzle
    }

    /// Whether what was asked about can end.
    pub(super) fn is_solved(&self) -> bool {
        self.goals[0].missing == 0
    }

    /// Tells those that need the solved goals.
    fn spread(&mut self, mut solved: Vec<usize>) {
        while let Some(index) = solved.pop() {
            for parent in std::mem::take(&mut self.goals[index].needed_by) {
                let missing = &mut self.goals[parent].missing;
                if *missing > 0 {
                    *missing -= 1;
                    if *missing == 0 {
                        solved.push(parent);
                    }
                }
            }
        }
    }

    /// Asks for a thread for one queued task after the other, until the puzzle is solved or all were asked for; then the
    /// tasks for which there was none, with the last reason.
    pub(super) fn solve<E>(
        &mut self,
        mut thread_for: impl FnMut(TaskId) -> Result<(), E>,
    ) -> Result<(), (Vec<TaskId>, E)> {
        let mut failed = Vec::new();
        let mut reason = None;
        for index in 0..self.goals.len() {
            if self.is_solved() {
                return Ok(());
            }
            let Key::Thread(task) = self.goals[index].key else { continue };
            match thread_for(task) {
                Ok(()) => {
                    self.goals[index].missing = 0;
                    self.spread(vec![index]);
                }
                Err(error) => {
                    failed.push(task);
                    reason = Some(error);
                }
            }
        }
        match reason {
            Some(error) if !self.is_solved() => Err((failed, error)),
            _ => Ok(()),
        }
    }

    /// The shortest circle of unsolved goals through the first: from it back to it.
    pub(super) fn circle(&self) -> Option<Vec<Key>> {
        // Backwards, from who needs the first goal; `towards` is the next step on the way to it.
        let mut towards = vec![None; self.goals.len()];
        let mut line = std::collections::VecDeque::from([0]);
        while let Some(index) = line.pop_front() {
            for &parent in &self.goals[index].needed_by {
                if self.goals[parent].missing == 0 || towards[parent].is_some() {
                    continue;
                }
                towards[parent] = Some(index);
                if parent == 0 {
                    let steps = std::iter::successors(towards[0], |&at| towards[at].filter(|_| at != 0));
                    return Some(std::iter::once(0).chain(steps).map(|at| self.goals[at].key).collect());
                }
                line.push_back(parent);
            }
        }
        None
    }
}
