//! Who waits for what, for ever: a graph, and whether a wait in it can end. Data alone; `deadlock` keeps the one of the process.
//!
//! ```text
//! Entry { wait: All | Any | Idle | Group | Queue | After, inner }      of each task that is blocked, or held back
//!   inner: the body that runs on top of this one on the same stack, if that is blocked, too
//! ```
//!
//! A task without an entry runs, is queued or has ended: it can end. One with an entry can end if what its entry asks
//! for can: the LEAST solution of these equations, so what holds only because it holds is caught. (Holt, "Some
//! deadlock properties of computer systems", 1972, for and/or requests.)
//!
//! All that is registered can end. A new wait that can end takes that from nobody; one that can't is refused, or
//! (`take_waits_for`) others give way. So only a new wait needs a look, and only at what it leads to.

use super::wait_puzzle::{Key, Puzzle};
use crate::task::{encode, Kind, Only, TaskId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Who waits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Node {
    Task(TaskId),
    /// A part of a range or an invoke that an outside thread runs: it is of no task, but it keeps a pool from being
    /// idle. Named by the address of its frame.
    Part(usize),
}

/// What a wait needs to end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Want {
    /// The end of them all, or of those before the first whose handle is gone: there it ends with EHANDLE.
    All(Arc<[TaskId]>),
    /// The end of one, or a handle that is gone.
    Any(Arc<[TaskId]>),
    /// The end of whatever of this pool is blocked or held back.
    Idle(u32),
    /// The end of whatever of this group, or of one below it, is blocked or held back.
    Group(u64),
    /// The end of one of the tasks that are to come into this completion queue; or of one that somebody adds.
    Queue(u64),
    /// Not started before these have ended; if one of them fails it never is. So the end of any may end it.
    After(Vec<TaskId>),
}

/// What the graph knows of who waits.
#[derive(Clone, Debug)]
pub(super) struct Who {
    /// What the task's submitter called it.
    pub(super) name: Option<Arc<str>>,
    pub(super) pool: u32,
    /// Its group and all above that.
    pub(super) groups: Option<Arc<[u64]>>,
    /// Which of the pool's threads it blocks; a visitor's is its own.
    pub(super) thread: Thread,
}

/// A thread as what is queued needs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Thread {
    /// None of the pool's.
    Other,
    Worker,
    /// Of the blocking lane.
    Blocking,
}

struct Waiting {
    want: Want,
    /// Of an `All`: the one whose turn it is, if the waiter is blocked and not running one of them.
    turn: Option<TaskId>,
}

struct Entry {
    who: Who,
    wait: Option<Waiting>,
    inner: Option<Node>,
}

impl Entry {
    fn is_of_group(&self, group: u64) -> bool {
        self.who.groups.as_ref().is_some_and(|groups| groups.contains(&group))
    }
}

/// What a handle shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// No live handle: a wait for it ends with EHANDLE.
    Gone,
    Ended,
    Queued,
    Running,
}

/// What the graph asks about tasks.
pub(super) trait Facts {
    /// Through the handle.
    fn fate(&self, task: TaskId) -> Fate;
    /// With or without a handle.
    fn has_ended(&self, task: TaskId) -> bool;
    /// Tasks of a group that are in a queue: one for each kind of threads that others of them may need, too.
    fn queued_of(&self, group: u64) -> Vec<TaskId>;
    /// Tasks that are to come into a completion queue.
    fn pending_of(&self, queue: u64) -> Vec<TaskId>;
    /// Which threads a queued task needs: of what pool, and what kind.
    fn threads_for(&self, task: TaskId) -> (u32, Only);
}

/// Whom `deadlock` must tell to look again.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Whoever watches these.
    pub(super) tasks: Vec<TaskId>,
    /// Whoever waits for the idleness of these pools.
    pub(super) pools: Vec<u32>,
    /// Whoever waits for these groups.
    pub(super) groups: Vec<u64>,
    /// Whoever waits on these completion queues.
    pub(super) queues: Vec<u64>,
}

/// What a goal of the puzzle needs.
pub(super) enum Needs {
    /// All of them.
    All(Vec<Key>),
    /// One of them.
    Any(Vec<Key>),
}

impl Needs {
    /// It can end.
    pub(super) const NOTHING: Self = Self::All(Vec::new());
}

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Question {
    /// Can it ever end?
    Ever,
    /// Which queued tasks does it come down to, as things are now?
    Now,
}

/// The graph.
pub(super) struct Graph {
    entries: BTreeMap<Node, Entry>,
    /// How many waits are of bodies; the others are of held tasks.
    bodies: usize,
}

impl Graph {
    pub(super) const fn new() -> Self {
        Self { entries: BTreeMap::new(), bodies: 0 }
    }

    fn entry(&mut self, node: Node, who: Who) -> &mut Entry {
        self.entries.entry(node).or_insert(Entry { who, wait: None, inner: None })
    }

    /// Registers a wait; a node has one at a time.
    pub(super) fn wait(&mut self, node: Node, who: Who, want: Want) {
        self.end_wait(node);
        self.bodies += usize::from(!matches!(want, Want::After(_)));
        self.entry(node, who).wait = Some(Waiting { want, turn: None });
    }

    /// Whether any body waits: if not, nobody is caught, and nobody is to be told anything.
    pub(super) fn has_waiting_bodies(&self) -> bool {
        self.bodies > 0
    }

    /// The wait is over, if it is still registered.
    pub(super) fn end_wait(&mut self, node: Node) {
        let mut ended = None;
        self.change(node, |entry| ended = entry.wait.take());
        self.bodies -= usize::from(ended.is_some_and(|wait| !matches!(wait.want, Want::After(_))));
    }

    /// The wait is over, and needs nothing any more; but its thread counts as blocked until it is ended.
    pub(super) fn note_over(&mut self, node: Node) {
        let Some(wait) = self.entries.get_mut(&node).and_then(|entry| entry.wait.as_mut()) else { return };
        self.bodies -= usize::from(!matches!(wait.want, Want::After(_)));
        wait.want = Want::After(Vec::new());
    }

    /// Whether its wait is registered: nobody has made it look again.
    pub(super) fn is_waiting(&self, node: Node) -> bool {
        self.entries.get(&node).is_some_and(|entry| entry.wait.is_some())
    }

    /// Which one of an `All` it is blocked at; none while it isn't.
    pub(super) fn set_turn(&mut self, node: Node, turn: Option<TaskId>) {
        if let Some(wait) = self.entries.get_mut(&node).and_then(|entry| entry.wait.as_mut()) {
            wait.turn = turn;
        }
    }

    /// `inner` runs on top of `outer`, on the same stack.
    pub(super) fn link(&mut self, outer: Node, who: Who, inner: Node) {
        self.entry(outer, who).inner = Some(inner);
    }

    /// What ran on top has returned.
    pub(super) fn unlink(&mut self, outer: Node) {
        self.change(outer, |entry| entry.inner = None);
    }

    fn change(&mut self, node: Node, change: impl FnOnce(&mut Entry)) {
        let Some(entry) = self.entries.get_mut(&node) else { return };
        change(entry);
        if entry.wait.is_none() && entry.inner.is_none() {
            self.entries.remove(&node);
        }
    }

    /// One of the tasks that a held one waits for has ended well.
    pub(super) fn strike(&mut self, dependant: Node, dependency: TaskId) {
        let wait = self.entries.get_mut(&dependant).and_then(|entry| entry.wait.as_mut());
        if let Some(Waiting { want: Want::After(left), .. }) = wait {
            left.retain(|task| *task != dependency);
        }
    }

    /// The puzzle whose pieces say why the node can't end; `None` if it can.
    pub(super) fn stuck(&self, facts: &impl Facts, node: Node) -> Option<Puzzle> {
        let puzzle = Puzzle::new(self, facts, Question::Ever, Key::Node(node));
        (!puzzle.is_solved()).then_some(puzzle)
    }

    /// Takes away the waits of whoever waits for the node or for what hangs on it alone: the bodies under it on its
    /// stack, and what is held back for them. They look again, and who then closes a circle is told.
    pub(super) fn take_waits_for(&mut self, node: Node) -> Told {
        let hanging = self.hanging_on(node);
        let is_one = |task: &TaskId| hanging.contains(&Node::Task(*task));
        let mut told =
            Told { tasks: hanging.iter().filter_map(|node| task_of(*node)).collect(), ..Told::default() };
        let touches = |member: &dyn Fn(&Entry) -> bool| {
            hanging.iter().filter_map(|node| self.entries.get(node)).any(member)
        };
        let mut taken = Vec::new();
        for (&waiter, entry) in self.entries.iter().filter(|(waiter, _)| **waiter != node) {
            let Some(wait) = &entry.wait else { continue };
            match &wait.want {
                Want::All(tasks) | Want::Any(tasks) if tasks.iter().any(is_one) => {
                    taken.push(waiter);
                    // A wait for all watches the one whose turn it is, which may be another one.
                    told.tasks.extend(wait.turn);
                }
                Want::Idle(pool) if touches(&|member| member.who.pool == *pool) => {
                    taken.push(waiter);
                    told.pools.push(*pool);
                }
                Want::Group(group) if touches(&|member| member.is_of_group(*group)) => {
                    taken.push(waiter);
                    told.groups.push(*group);
                }
                _ => {}
            }
        }
        taken.into_iter().for_each(|waiter| self.end_wait(waiter));
        told
    }

    /// Takes away the waits for groups and on completion queues, so that those who wait look again.
    pub(super) fn take_waits_for_many(&mut self) -> Told {
        self.take_waits(|_, wait| matches!(wait.want, Want::Group(_) | Want::Queue(_)))
    }

    /// Takes away all waits of bodies but the one's, so that those who wait look again.
    pub(super) fn take_waits_of_others(&mut self, node: Node) -> Told {
        self.take_waits(|waiter, wait| waiter != node && !matches!(wait.want, Want::After(_)))
    }

    fn take_waits(&mut self, which: impl Fn(Node, &Waiting) -> bool) -> Told {
        let mut told = Told::default();
        let mut taken = Vec::new();
        for (&waiter, entry) in &self.entries {
            let Some(wait) = entry.wait.as_ref().filter(|wait| which(waiter, wait)) else { continue };
            taken.push(waiter);
            match &wait.want {
                // The one whose turn it is; none if the waiter runs one of them, and looks again before it blocks.
                Want::All(_) => told.tasks.extend(wait.turn),
                Want::Any(tasks) => told.tasks.extend(tasks.first()),
                Want::Idle(pool) => told.pools.push(*pool),
                Want::Group(group) => told.groups.push(*group),
                Want::Queue(queue) => told.queues.push(*queue),
                Want::After(_) => {}
            }
        }
        taken.into_iter().for_each(|waiter| self.end_wait(waiter));
        told
    }

    /// Whether it waits, or a body on top of it does.
    pub(super) fn has(&self, node: Node) -> bool {
        self.entries.contains_key(&node)
    }

    /// The node, the bodies under it, what is held back for those, and so on.
    pub(super) fn hanging_on(&self, node: Node) -> BTreeSet<Node> {
        let mut carries: BTreeMap<Node, Vec<Node>> = BTreeMap::new();
        for (&hanging, entry) in &self.entries {
            if let Some(inner) = entry.inner {
                carries.entry(inner).or_default().push(hanging);
            }
            if let Some(Waiting { want: Want::After(left), .. }) = &entry.wait {
                left.iter().for_each(|task| carries.entry(Node::Task(*task)).or_default().push(hanging));
            }
        }
        let (mut found, mut open) = (BTreeSet::new(), vec![node]);
        while let Some(next) = open.pop() {
            if found.insert(next) {
                open.extend(carries.get(&next).into_iter().flatten());
            }
        }
        found
    }

    /// Whether one of the pool's threads of a kind still counts as blocked though `is_over` says that its wait is: for the
    /// tasks, one of which is enough, or the pool, group or completion queue that it waits for.
    pub(super) fn any_is_over_on_a_thread_of(
        &self,
        pool: u32,
        thread: Thread,
        is_over: impl Fn(&[TaskId]) -> bool,
        is_idle: impl Fn(u32) -> bool,
        is_done: impl Fn(u64) -> bool,
        is_ready: impl Fn(u64) -> bool,
    ) -> bool {
        let is_one = |who: &Who| who.thread == thread && who.pool == pool;
        // Who runs another body on top of his own comes back when that one returns.
        let is_waiting = |entry: &&Entry| is_one(&entry.who) && entry.inner.is_none();
        self.entries.values().filter(is_waiting).any(|entry| match &entry.wait {
            Some(Waiting { want: Want::All(_), turn }) => is_over(turn.as_slice()),
            Some(Waiting { want: Want::Any(tasks), .. }) => is_over(tasks),
            Some(Waiting { want: Want::Idle(other), .. }) => is_idle(*other),
            Some(Waiting { want: Want::Group(group), .. }) => is_done(*group),
            Some(Waiting { want: Want::After(left), .. }) => left.is_empty(),
            Some(Waiting { want: Want::Queue(queue), .. }) => is_ready(*queue),
            None => false,
        })
    }

    // The pieces of the puzzle.

    /// What a goal needs, as far as the graph knows.
    pub(super) fn needs(&self, facts: &impl Facts, question: Question, key: Key) -> Needs {
        let members = |is_member: &dyn Fn(&Entry) -> bool| -> Vec<Key> {
            let entries = self.entries.iter().filter(|(_, entry)| is_member(entry));
            entries.map(|(&node, _)| Key::Node(node)).collect()
        };
        match key {
            Key::Node(node) => self.needs_of_node(facts, question, node),
            Key::Wait(node) => match self.entries.get(&node).and_then(|entry| entry.wait.as_ref()) {
                Some(wait) => self.needs_of_wait(facts, question, wait),
                None => Needs::NOTHING,
            },
            Key::Idle(pool) => Needs::All(members(&|entry| entry.who.pool == pool)),
            Key::Group(group) => {
                let mut keys = members(&|entry| entry.is_of_group(group));
                if question == Question::Now {
                    keys.extend(facts.queued_of(group).into_iter().map(Key::Thread));
                }
                Needs::All(keys)
            }
            Key::Thread(_) => Needs::Any(Vec::new()),
        }
    }

    fn needs_of_node(&self, facts: &impl Facts, question: Question, node: Node) -> Needs {
        let Some(entry) = self.entries.get(&node) else { return Needs::NOTHING };
        if task_of(node).is_some_and(|task| facts.has_ended(task)) {
            return Needs::NOTHING; // canceled before it was started; about to be let go
        }
        match (&entry.wait, entry.inner) {
            (Some(_), Some(inner)) => Needs::All(vec![Key::Wait(node), Key::Node(inner)]),
            (Some(wait), None) => self.needs_of_wait(facts, question, wait),
            (None, Some(inner)) => Needs::All(vec![Key::Node(inner)]),
            (None, None) => Needs::NOTHING,
        }
    }

    fn needs_of_wait(&self, facts: &impl Facts, question: Question, wait: &Waiting) -> Needs {
        match &wait.want {
            Want::All(_) if question == Question::Now => self.all_of(facts, question, wait.turn.as_slice()),
            Want::All(tasks) => self.all_of(facts, question, tasks),
            Want::Any(tasks) => {
                any_of(tasks.iter().map(|&task| self.of_target(question, task, facts.fate(task))))
            }
            Want::Idle(pool) => Needs::All(vec![Key::Idle(*pool)]),
            Want::Group(group) => Needs::All(vec![Key::Group(*group)]),
            Want::Queue(queue) => self.needs_of_queue(facts, question, *queue),
            Want::After(left) if left.is_empty() => Needs::NOTHING,
            Want::After(left) => any_of(left.iter().map(|&task| {
                // Whoever holds it back sees to its handles.
                let ended = facts.has_ended(task);
                self.of_target(question, task, if ended { Fate::Ended } else { facts.fate(task) })
            })),
        }
    }

    /// Somebody may add a task that ends, so it is none that can never end. As things are, it needs one of those that are to
    /// come; if none is, it is for others to end it.
    fn needs_of_queue(&self, facts: &impl Facts, question: Question, queue: u64) -> Needs {
        if question == Question::Ever {
            return Needs::NOTHING;
        }
        let pending = facts.pending_of(queue);
        if pending.is_empty() {
            return Needs::NOTHING;
        }
        // Where there is a thread for one there is for all that need such a one.
        let mut kinds = Vec::new();
        let mut is_another = |key: &Option<Key>| {
            let Some(Key::Thread(task)) = *key else { return true };
            let kind = facts.threads_for(task);
            let is_new = !kinds.contains(&kind);
            if is_new {
                kinds.push(kind);
            }
            is_new
        };
        let targets = pending.into_iter().map(|task| self.of_target(question, task, facts.fate(task)));
        any_of(targets.filter(|key| is_another(key)))
    }

    fn all_of(&self, facts: &impl Facts, question: Question, tasks: &[TaskId]) -> Needs {
        let mut keys = Vec::new();
        for &task in tasks {
            match facts.fate(task) {
                Fate::Gone => break,
                fate => keys.extend(self.of_target(question, task, fate)),
            }
        }
        Needs::All(keys)
    }

    /// The goal that the end of a task is; `None`: it can end.
    fn of_target(&self, question: Question, task: TaskId, fate: Fate) -> Option<Key> {
        match fate {
            Fate::Gone | Fate::Ended => None,
            _ if self.has(Node::Task(task)) => Some(Key::Node(Node::Task(task))),
            Fate::Queued if question == Question::Now => Some(Key::Thread(task)),
            Fate::Queued | Fate::Running => None,
        }
    }

    /// What a message calls it; nothing for what is only a step in between.
    pub(super) fn title(&self, key: Key) -> Option<String> {
        match key {
            Key::Node(node) => {
                Some(title(self.entries.get(&node).and_then(|entry| entry.who.name.as_ref()), node))
            }
            Key::Idle(pool) => Some(idleness(pool)),
            Key::Group(group) => Some(format!("group {:#x}", encode(Kind::Group, group))),
            Key::Wait(_) | Key::Thread(_) => None,
        }
    }
}

/// What a message calls a waiter: by its name, else by its handle.
pub(super) fn title(name: Option<&Arc<str>>, node: Node) -> String {
    match (name, node) {
        (Some(name), _) => name.to_string(),
        (None, Node::Task(task)) if !task.is_internal() => {
            format!("task {:#x}", encode(Kind::Future, task.bits()))
        }
        (None, _) => "a part of a range or an invoke".to_owned(),
    }
}

/// What a message calls a pool's end of work.
pub(super) fn idleness(pool: u32) -> String {
    format!("pool {:#x}'s idleness", encode(Kind::Pool, u64::from(pool)))
}

/// One of them is enough.
fn any_of(goals: impl Iterator<Item = Option<Key>>) -> Needs {
    goals.collect::<Option<Vec<Key>>>().map_or(Needs::NOTHING, Needs::Any)
}

fn task_of(node: Node) -> Option<TaskId> {
    match node {
        Node::Task(task) => Some(task),
        Node::Part(_) => None,
    }
}

#[cfg(test)]
mod tests;
