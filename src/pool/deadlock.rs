//! Waits that could never end: the one graph of the process, and what a body does with it before it blocks for ever.
//!
//! ```text
//! Edge::begin   the new wait goes into the graph; EDEADLK if it could never end
//!     about_to_block   the same again, if somebody who must wait has made this wait look again
//!     ensure_thread    ETHREAD if it comes down to queued tasks, and no thread can be had for one
//! drop          out again
//! ```
//!
//! One lock, taken where a body blocks for ever (and at the begin of its `wait_all`), never where it does not.

use super::context::{with_context, with_innermost, Frame};
use super::registry;
use super::status::{Error, Status};
use super::wait_graph::{idleness, title, Facts, Fate, Graph, Node, Question, Thread, Told, Want, Who};
use super::wait_puzzle::{Key, Puzzle};
use crate::sync::{fence, lock, AtomicU32, Mutex, Ordering, Renewable};
use crate::task::{self, Member, News, Only, Phase, TaskId, GROUPS, QUEUES};

static GRAPH: Renewable<Mutex<Graph>> = Renewable::new(Mutex::new(Graph::new()));

/// Waits of bodies on completion queues.
static QUEUE_WAITS: AtomicU32 = AtomicU32::new(0);

/// In the child of a fork: who waits is the parent's.
///
/// # Safety
/// No other thread uses the library.
pub(super) unsafe fn after_fork() {
    // SAFETY: by the contract above.
    unsafe { GRAPH.renew(Mutex::new(Graph::new())) };
    QUEUE_WAITS.store(0, Ordering::Relaxed);
}

/// The tasks of the process.
struct Tasks;

impl Facts for Tasks {
    fn fate(&self, task: TaskId) -> Fate {
        match task::look(task).map(|look| look.phase) {
            Err(_) => Fate::Gone,
            Ok(Phase::Done(_)) => Fate::Ended,
            Ok(Phase::Queued) => Fate::Queued,
            Ok(Phase::Running) => Fate::Running,
        }
    }

    fn has_ended(&self, task: TaskId) -> bool {
        task::has_ended(task)
    }

    fn queued_of(&self, group: u64) -> Vec<TaskId> {
        let Some(group) = GROUPS.get_used(group) else { return Vec::new() };
        // Not those for lent threads: the embedder may lend one at any time.
        [Only::Any, Only::Blocking].into_iter().filter_map(|only| group.a_queued_one_for(only)).collect()
    }

    fn pending_of(&self, queue: u64) -> Vec<TaskId> {
        pending(queue, usize::MAX)
    }

    fn threads_for(&self, task: TaskId) -> (u32, Only) {
        (task::cell_of(task).pool(), task::snapshot(task).only())
    }
}

/// The wait of a body, in the graph until this is dropped.
pub(super) struct Edge {
    node: Node,
    want: Want,
    must_wait: bool,
}

impl Edge {
    /// Registers a wait for ever of the innermost body on this stack.
    ///
    /// `EDEADLK` if it could never end; a caller that can't but wait says so, and then whoever waits for it looks
    /// again, finds the circle, and gets the `EDEADLK`.
    pub(super) fn begin(want: Want, must_wait: bool) -> Result<Self, Error> {
        let node = with_innermost(|frame| frame.node()).expect("only a body's wait is an edge");
        let edge = Self { node, want, must_wait };
        if edge.queue().is_some() {
            // SeqCst: with the one in `will_come_into_a_queue`. Either that finds this wait, or this finds the task.
            QUEUE_WAITS.fetch_add(1, Ordering::Relaxed);
            fence(Ordering::SeqCst);
        }
        let told = edge.register(&mut lock(&GRAPH));
        // Refused, it is not in the graph, and dropping it changes nothing.
        told?.tell();
        Ok(edge)
    }

    fn register(&self, graph: &mut Graph) -> Result<Told, Error> {
        with_innermost(|frame| {
            link_stack(graph, frame);
            graph.wait(self.node, who(frame), self.want.clone());
        });
        let Some(puzzle) = graph.stuck(&Tasks, self.node) else { return Ok(Told::default()) };
        if self.must_wait {
            return Ok(graph.take_waits_for(self.node));
        }
        let message = describe(graph, &puzzle);
        graph.end_wait(self.node);
        Err(Error::new(Status::Deadlock, message))
    }

    /// The wait blocks now; of a wait for all, at `turn`. Looks again if somebody who must wait has asked for that.
    pub(super) fn about_to_block(&self, turn: Option<TaskId>) -> Result<(), Error> {
        let told = {
            let mut graph = lock(&GRAPH);
            let told = if graph.is_waiting(self.node) { Told::default() } else { self.register(&mut graph)? };
            graph.set_turn(self.node, turn);
            told
        };
        told.tell();
        Ok(())
    }

    /// Whether somebody who must wait has asked for another look: `about_to_block`.
    pub(super) fn must_look_again(&self) -> bool {
        !lock(&GRAPH).is_waiting(self.node)
    }

    /// Ends the wait if `over`, so that nobody finds it in the graph once that may have changed again; whether it did.
    pub(super) fn end_if(&self, over: impl FnOnce() -> bool) -> bool {
        let mut graph = lock(&GRAPH);
        let over = over();
        if over {
            graph.note_over(self.node);
        }
        over
    }

    /// Makes sure that a thread can come for one of the tasks that the wait comes down to. The waiter counts as
    /// blocked already, so the last of several that block at once sees the waits of them all, and no free thread.
    ///
    /// A caller that can't but wait for the end tells who else waits for those tasks to ask, too, and get the `ETHREAD`.
    pub(super) fn ensure_thread(&self, must_wait: bool) -> Result<(), Error> {
        if self.queue().is_some_and(an_old_one_can_come) {
            return Ok(());
        }
        let mut puzzle = Puzzle::new(&lock(&GRAPH), &Tasks, Question::Now, Key::Wait(self.node));
        match puzzle.solve(ensure_thread_for) {
            Ok(()) => Ok(()),
            Err((_, error)) if !must_wait => Err(error),
            Err((queued, _)) => {
                queued.into_iter().for_each(tell_of_no_thread);
                Ok(())
            }
        }
    }
}

impl Edge {
    /// The completion queue that it waits on.
    fn queue(&self) -> Option<u64> {
        match self.want {
            Want::Queue(queue) => Some(queue),
            _ => None,
        }
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        if self.queue().is_some() {
            QUEUE_WAITS.fetch_sub(1, Ordering::Relaxed);
        }
        lock(&GRAPH).end_wait(self.node);
    }
}

impl Told {
    /// After the graph is unlocked.
    fn tell(self) {
        self.tasks.into_iter().for_each(|task| look_again(Node::Task(task)));
        for pool in self.pools {
            if let Some(pool) = registry::of_task(pool) {
                pool.idle.notify_all();
            }
        }
        for group in self.groups {
            if let Some(group) = GROUPS.get_used(group) {
                group.done.notify_all();
            }
        }
        for queue in self.queues {
            if let Some(queue) = QUEUES.get_used(queue) {
                queue.look_again();
            }
        }
    }
}

fn look_again(node: Node) {
    if let Node::Task(task) = node {
        task::tell(task, News::LookAgain);
    }
}

/// Each task on this stack that runs another inline waits for that one to return. What is linked stays so until the
/// inner one returns (`unlink`), and then so is everything further out: a stack of any depth is walked once.
fn link_stack(graph: &mut Graph, innermost: &Frame) {
    let mut inner = innermost.owner();
    while let Some(outer) = inner.outer_task().filter(|_| !inner.linked.replace(true)) {
        graph.link(outer.node(), who(outer), inner.node());
        inner = outer;
    }
}

/// A linked body has returned to `outer`.
pub(super) fn unlink(outer: &Frame) {
    lock(&GRAPH).unlink(outer.node());
}

/// All bodies on a stack are of the pool that the thread works for.
fn who(frame: &Frame) -> Who {
    with_context(|context| {
        let context = context.expect("a body runs in a context");
        let owner = frame.owner();
        Who {
            name: owner.extra().and_then(|extra| extra.name.clone()),
            pool: context.pool.number,
            groups: owner.extra().and_then(|extra| extra.member.as_ref()).map(Member::groups),
            thread: match (context.is_own_thread, context.is_blocking) {
                (false, _) => Thread::Other,
                (true, false) => Thread::Worker,
                (true, true) => Thread::Blocking,
            },
        }
    })
}

/// What `offgil_last_message` says of a circle.
fn describe(graph: &Graph, puzzle: &Puzzle) -> String {
    match puzzle.circle() {
        Some(circle) => circle_of(circle.into_iter().filter_map(|key| graph.title(key))),
        None => "all that this task waits for waits for this task".to_owned(),
    }
}

fn circle_of(titles: impl Iterator<Item = String>) -> String {
    format!("a circle of waits: {}", titles.collect::<Vec<_>>().join(" -> "))
}

/// The simplest circle. One of the pool's thread hooks closes it, too, though that is no body.
#[cold]
pub(super) fn waits_for_own_pool(pool: u32) -> Error {
    let me = with_innermost(|frame| title(who(frame).name.as_ref(), frame.node()));
    let me = me.unwrap_or_else(|| "a hook of the pool's".to_owned());
    let circle = [me.clone(), idleness(pool), me];
    Error::new(Status::Deadlock, circle_of(circle.into_iter()))
}

/// Holds a task back in the graph: it is not started before `dependencies` have ended.
///
/// If that closes a circle (one of them waits for the task's pool to be idle), whoever is on it looks again.
pub(super) fn hold(dependant: TaskId, who: Who, dependencies: &[TaskId]) {
    change_held(dependant, |graph, node| graph.wait(node, who, Want::After(dependencies.to_vec())));
}

/// One of the tasks that a held one waits for has ended well; if all that are left wait for the held one, they look again.
pub(super) fn strike(dependant: TaskId, dependency: TaskId) {
    if !change_held(dependant, |graph, node| graph.strike(node, dependency)) {
        return;
    }
    // And if what is left comes down to queued tasks without a thread, they get the `ETHREAD`.
    let mut puzzle = Puzzle::new(&lock(&GRAPH), &Tasks, Question::Now, Key::Node(Node::Task(dependant)));
    if let Err((queued, _)) = puzzle.solve(ensure_thread_for) {
        queued.into_iter().for_each(tell_of_no_thread);
        tell_of_no_thread(dependant);
    }
}

/// Changes what a held task waits for; whoever is caught with that looks again. False if nobody can be: no body waits.
fn change_held(dependant: TaskId, change: impl FnOnce(&mut Graph, Node)) -> bool {
    let node = Node::Task(dependant);
    let told = {
        let mut graph = lock(&GRAPH);
        change(&mut graph, node);
        if !graph.has_waiting_bodies() {
            return false;
        }
        graph.stuck(&Tasks, node).map(|_| graph.take_waits_for(node))
    };
    if let Some(told) = told {
        told.tell();
    }
    true
}

/// A held task is queued now, or canceled.
pub(super) fn let_go(dependant: TaskId) {
    lock(&GRAPH).end_wait(Node::Task(dependant));
}

// Threads.

/// A held task is in its queue now. Whoever waits for it may have been the last thread that could have come: there was
/// nothing to come for then.
pub(super) fn has_been_queued(task: TaskId) {
    if ensure_thread_for(task).is_err() {
        tell_of_no_thread(task);
    }
}

/// A task, queued as a rule, is to come into a completion queue. Bodies may wait there since nothing was to come.
pub(crate) fn will_come_into_a_queue(task: TaskId) {
    // SeqCst: pairs with the one in `Edge::begin`.
    fence(Ordering::SeqCst);
    if QUEUE_WAITS.load(Ordering::Relaxed) > 0 {
        has_been_queued(task);
    }
}

/// The tasks that are to come into a completion queue, up to `most`, the oldest first.
fn pending(queue: u64, most: usize) -> Vec<TaskId> {
    QUEUES.get_used(queue).map_or(Vec::new(), |queue| queue.oldest_pending(most))
}

/// So many of the tasks that are to come into a completion queue are looked at before all are.
const LOOKED_AT: usize = 16;

/// The short way to find that a wait on a completion queue can end: the first of those tasks that doesn't wait itself runs,
/// or a thread can be had for it.
fn an_old_one_can_come(queue: u64) -> bool {
    let mut in_no_wait =
        pending(queue, LOOKED_AT).into_iter().filter(|&task| !lock(&GRAPH).has(Node::Task(task)));
    in_no_wait.next().is_some_and(|task| ensure_thread_for(task).is_ok())
}

/// The innermost body on this thread is blocked in a wait that others may end, who are not in the graph. If its thread was
/// the last that could come for what is queued in its pool, all other bodies that wait look again: nobody else would
/// tell those that wait for one of these tasks.
pub(super) fn waits_for_others() {
    let (Some(node), Some(pool)) = (
        with_innermost(|frame| frame.node()),
        with_context(|context| context.map(|context| context.pool.clone())),
    ) else {
        return;
    };
    let is_last = pool.has_entries() && pool.ensure_free_thread().is_err()
        || pool.blocking.queued() > 0 && pool.ensure_free_blocking_thread().is_err();
    if is_last {
        let told = lock(&GRAPH).take_waits_of_others(node);
        told.tell();
    }
}

/// There is no thread for a queued task: those who wait for it, or for a group that it may be of, or on a completion queue,
/// look again, and get the `ETHREAD`.
#[cold]
fn tell_of_no_thread(queued: TaskId) {
    let (hanging, told) = {
        let mut graph = lock(&GRAPH);
        (graph.hanging_on(Node::Task(queued)), graph.take_waits_for_many())
    };
    hanging.into_iter().for_each(look_again);
    told.tell();
}

fn ensure_thread_for(queued: TaskId) -> Result<(), Error> {
    if !task::is_queued(queued) {
        return Ok(());
    }
    let pool = registry::of_task(task::cell_of(queued).pool());
    // The number was the task's only if it still is queued.
    let Some(pool) = pool.filter(|_| task::is_queued(queued)) else { return Ok(()) };
    let only = task::snapshot(queued).only();
    let thread = match only {
        Only::Any => Thread::Worker,
        Only::Blocking => Thread::Blocking,
        Only::Lent => return Ok(()), // the embedder may lend one at any time
    };
    let ensure = || match thread {
        Thread::Blocking => pool.ensure_free_blocking_thread(),
        _ => pool.ensure_free_thread(),
    };
    if ensure().is_ok() || a_wait_is_over_in(pool.number, thread) {
        return Ok(());
    }
    // Who was over and has left the graph before the look at it counts as blocked no more.
    match ensure() {
        Err(error) if task::is_queued(queued) => Err(Error { status: Status::Thread, ..error }),
        _ => Ok(()),
    }
}

/// Whether one of the pool's threads of a kind still counts as blocked though its wait is over: it is about to go on, and
/// comes for work when its body has ended.
fn a_wait_is_over_in(pool: u32, thread: Thread) -> bool {
    let over =
        |tasks: &[TaskId]| tasks.iter().any(|&task| matches!(Tasks.fate(task), Fate::Gone | Fate::Ended));
    let idle = |pool| registry::of_task(pool).is_some_and(|pool| pool.is_idle());
    let done = |group| GROUPS.get_used(group).is_none_or(|group| group.is_done());
    let ready = |queue| QUEUES.get_used(queue).is_none_or(|queue| queue.is_ready());
    lock(&GRAPH).any_is_over_on_a_thread_of(pool, thread, over, idle, done, ready)
}
