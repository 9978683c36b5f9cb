//! The fork stacks of a pool: one for each outermost invoke that is under way (pool/nested), found by whoever looks for work.
//!
//! ```text
//! first -> Node { ForkStack, owned?, body } -> Node -> ... -> NULL     nodes are added in front, reused, and freed with the pool
//! open     how many are owned; its step and fence are what lets the pushes into them do without
//! ```

use super::around::around_in;
use super::context::{Context, Frame};
use super::core::Pool;
use super::observe::note_steal;
use crate::queue::ForkStack;
use crate::sync::{fence, heavy, AtomicPtr, AtomicU32, Ordering};
use crate::task::{self, Around, Claimed, Function, Job, Owner};
use std::ptr::{null_mut, NonNull};

/// One of them.
pub(super) struct Node {
    pub(super) stack: ForkStack,
    /// Not 0: it belongs to a thread.
    owned: AtomicU32,
    /// The owner's, whose parts the halves are. Written by the owner.
    body: AtomicPtr<Frame>,
    next: *mut Node,
}

/// See above.
pub(crate) struct ForkStacks {
    first: AtomicPtr<Node>,
    open: AtomicU32,
}

// SAFETY: nodes come from `Box::into_raw`, are never unlinked, and freed in Drop only; `next` is written before a node is
// linked, and all else of a node is for many threads.
unsafe impl Send for ForkStacks {}
// SAFETY: as above.
unsafe impl Sync for ForkStacks {}

impl ForkStacks {
    pub(super) fn new() -> Self {
        Self { first: AtomicPtr::new(null_mut()), open: AtomicU32::new(0) }
    }

    /// Whether one is owned: only then can there be a half to take.
    fn has_open(&self) -> bool {
        self.open.load(Ordering::Relaxed) != 0
    }

    /// Whether there seems to be a half to take.
    #[inline]
    pub(super) fn has_halves(&self) -> bool {
        self.has_open() && self.iter().any(|node| !node.stack.is_empty())
    }

    /// The other side of what a push into one of them leaves out. To be called after a SeqCst fence. False: nobody knows
    /// what there is.
    pub(super) fn catch_up(&self) -> bool {
        // Pairs with the fence in `open`: either we see the step, or who opened sees what we did before our fence.
        !self.has_open() || heavy()
    }

    /// A stack for the calling thread, for what this body of its forks.
    pub(super) fn open(&self, body: *const Frame) -> &Node {
        let node = self.iter().find(|node| {
            // Acquire: pairs with the Release in `close`.
            node.owned.load(Ordering::Relaxed) == 0
                && node.owned.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok()
        });
        let node = node.unwrap_or_else(|| self.add());
        // Relaxed: who reads it has a half, whose push (Release) comes after this.
        node.body.store(body.cast_mut(), Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
        // SeqCst: pairs with the fence before `catch_up`.
        fence(Ordering::SeqCst);
        node
    }

    #[cold]
    fn add(&self) -> &Node {
        let mut next = self.first.load(Ordering::Acquire);
        let node = Box::into_raw(Box::new(Node {
            stack: ForkStack::new(),
            owned: AtomicU32::new(1),
            body: AtomicPtr::new(null_mut()),
            next,
        }));
        // Release: publishes the node, for the Acquire in `iter`.
        while let Err(now) =
            self.first.compare_exchange_weak(next, node, Ordering::Release, Ordering::Acquire)
        {
            next = now;
            // SAFETY: the node is not linked yet: it is ours alone.
            unsafe { (*node).next = next };
        }
        // SAFETY: not freed before the pool is.
        unsafe { &*node }
    }

    /// Its halves are all taken back.
    pub(super) fn close(&self, node: &Node) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        node.owned.store(0, Ordering::Release);
    }

    fn iter(&self) -> impl Iterator<Item = &Node> {
        // SAFETY: see the `Send` of this; here and below.
        let first = unsafe { self.first.load(Ordering::Acquire).as_ref() };
        // SAFETY: as above.
        std::iter::successors(first, |node| unsafe { node.next.as_ref() })
    }
}

impl Drop for ForkStacks {
    fn drop(&mut self) {
        let mut next = NonNull::new(self.first.load(Ordering::Relaxed));
        while let Some(node) = next {
            // SAFETY: from `Box::into_raw`, and linked once; `&mut self` says that nobody uses it any more.
            next = NonNull::new(unsafe { Box::from_raw(node.as_ptr()) }.next);
        }
    }
}

/// Makes a task of the oldest half of another thread's fork stack: the owner joins it as one.
pub(super) fn steal_half(context: &Context) -> Option<Claimed> {
    let forks = &context.pool.fork_stacks;
    if !forks.has_open() {
        return None;
    }
    forks.iter().filter(|node| !node.stack.is_empty()).find_map(|node| {
        let mut task = None;
        node.stack.steal(|function, argument| {
            // SAFETY: `nested` pushes a function, then its argument.
            let function = unsafe { std::mem::transmute::<*mut (), Function>(function) };
            // SAFETY: NULL, or on the owner's stack: it comes back to it when it has joined this half.
            let body = unsafe { node.body.load(Ordering::Relaxed).as_ref() };
            let owner = Owner::Library(body.map_or(Around::NOBODY, around_in));
            task = make_task(&context.pool, Job { function, argument: argument.cast(), owner });
            task.as_ref().map(|task| task.id().bits())
        });
        if task.is_some() {
            context.pool.journal().submitted.add(1);
            note_steal(context, 1);
        }
        task
    })
}

fn make_task(pool: &Pool, job: Job) -> Option<Claimed> {
    let id = task::create(job, pool.number, false)?;
    Some(Claimed::claim(id).expect("nobody else knows the task yet"))
}
