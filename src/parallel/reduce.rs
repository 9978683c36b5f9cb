//! Reduction over a fixed tree: leaves of the range are accumulated, and combined two by two on the way up.
//!
//! ```text
//! into: the parent's accumulator  [leaf 0 | leaf 1 || leaf 2 | leaf 3]   right halves: into one of their own,
//!                                 \   left half   /\   right half   /    which the left one takes up afterwards
//! ```
//!
//! The tree depends on the range and the grain alone, threads only choose who walks which part of it: so a sum of
//! floating-point numbers is the same on every run (as `parallel_deterministic_reduce` of oneTBB; why it matters: Demmel
//! and Nguyen, "Parallel Reproducible Summation", IEEE Trans. Computers 64, 2015). The right half of a node is forked
//! as in `invoke`, so there is one accumulator a level and thread.

use super::runs_here;
use crate::pool::{self, as_error, run_part, Error, PoolRef, Status};
use crate::sync::{lock, Mutex};
use crate::task::{Around, Job, Owner};
use std::alloc::{alloc, dealloc, Layout};
use std::ffi::c_void;
use std::ops::Range;
use std::ptr::NonNull;

/// How many leaves there are at most if the grain is automatic.
const AUTOMATIC_LEAVES: usize = 512;

/// Parts of the tree for each thread; what is smaller is walked without a fork.
const SHARES: usize = 64;

/// A cache line of their own, so that two threads don't write to the same one.
const ALIGNMENT: usize = 64;

/// What is called for leaves and nodes.
pub(crate) struct Operation<'a> {
    /// Takes the indices from the first up to, not including, the second into the accumulator.
    pub(crate) body: &'a (dyn Fn(usize, usize, *mut c_void) + Sync),
    /// Takes the second accumulator, of what comes later in the range, into the first.
    pub(crate) combine: &'a (dyn Fn(*mut c_void, *const c_void) + Sync),
    /// Where every accumulator is copied from.
    pub(crate) identity: *const c_void,
    /// Bytes of an accumulator.
    pub(crate) size: usize,
}

/// A block of memory for an accumulator, and what is in it.
struct Accumulator {
    memory: NonNull<u8>,
    layout: Layout,
}

impl Accumulator {
    /// A copy of the identity.
    fn new(operation: &Operation<'_>) -> Result<Self, Error> {
        let layout =
            Layout::from_size_align(operation.size.max(1), ALIGNMENT).ok().map(|it| it.pad_to_align());
        let layout = layout.ok_or(Status::NoMemory)?;
        // SAFETY: the layout is not of size zero.
        let memory = NonNull::new(unsafe { alloc(layout) }).ok_or(Status::NoMemory)?;
        if operation.size > 0 {
            // SAFETY: the identity is `size` bytes long, by the promise of `reduce`'s caller; the block is new.
            unsafe { memory.as_ptr().copy_from_nonoverlapping(operation.identity.cast(), operation.size) };
        }
        Ok(Self { memory, layout })
    }

    fn get(&self) -> *mut c_void {
        self.memory.as_ptr().cast()
    }
}

impl Drop for Accumulator {
    fn drop(&mut self) {
        // SAFETY: from `alloc` with this layout, and dropped once.
        unsafe { dealloc(self.memory.as_ptr(), self.layout) };
    }
}

/// The leaves: `count` of them, each `grain` long, but the last may be shorter.
struct Leaves {
    begin: usize,
    end: usize,
    grain: usize,
    count: usize,
}

impl Leaves {
    /// Nothing but the arguments may go in here: the result must not depend on the machine.
    fn new(begin: usize, end: usize, grain: usize) -> Self {
        let length = end - begin;
        let grain = if grain == 0 { length.div_ceil(AUTOMATIC_LEAVES) } else { grain };
        Self { begin, end, grain, count: length.div_ceil(grain) }
    }

    fn leaf(&self, index: usize) -> (usize, usize) {
        let begin = self.begin + index * self.grain;
        (begin, begin + self.grain.min(self.end - begin))
    }
}

/// A reduction on its way. It lies on the stack of who called for it.
struct Tree<'a> {
    operation: &'a Operation<'a>,
    leaves: Leaves,
    /// The pool's number.
    pool: u32,
    /// The caller's.
    around: Around,
    /// Nodes of more leaves than this are forked.
    fork_above: usize,
}

impl Tree<'_> {
    /// Accumulates these leaves. What failed is not combined, but the other leaves are still visited, memory allowing.
    fn walk(&self, pool: &PoolRef, leaves: Range<usize>, into: *mut c_void) -> Result<(), Error> {
        if leaves.len() == 1 {
            let (begin, end) = self.leaves.leaf(leaves.start);
            return as_error(run_part(|| (self.operation.body)(begin, end, into)));
        }
        let middle = leaves.start + leaves.len() / 2;
        let fork = leaves.len() > self.fork_above;
        let (left, right) = (leaves.start..middle, middle..leaves.end);
        let from = match Accumulator::new(self.operation) {
            Ok(accumulator) => accumulator,
            Err(error) => return self.walk(pool, left, into).and(Err(error)),
        };
        if fork {
            self.fork_join(pool, (left, into), (right, from.get()))?;
        } else {
            let left = self.walk(pool, left, into);
            left.and(self.walk(pool, right, from.get()))?;
        }
        as_error(run_part(|| (self.operation.combine)(into, from.get())))
    }

    fn fork_join(
        &self,
        pool: &PoolRef,
        left: (Range<usize>, *mut c_void),
        right: (Range<usize>, *mut c_void),
    ) -> Result<(), Error> {
        let half = Half::new(self, right.0.clone(), right.1);
        match pool::submit(pool, half.job()) {
            Ok(forked) => {
                let left = self.walk(pool, left.0, left.1);
                left.and(half.ended(pool::join_part(pool, forked)))
            }
            // The pool was canceled meanwhile.
            Err(Error { status: Status::Closed, .. }) => {
                self.walk(pool, left.0, left.1).and(Err(Status::Canceled.into()))
            }
            Err(_) => {
                let left = self.walk(pool, left.0, left.1);
                left.and(self.walk(pool, right.0, right.1))
            }
        }
    }
}

/// A part of the tree that is a task: the right half of a node, or all of it.
struct Half<'a> {
    tree: &'a Tree<'a>,
    leaves: Range<usize>,
    into: *mut c_void,
    outcome: Mutex<Result<(), Error>>,
}

impl<'a> Half<'a> {
    fn new(tree: &'a Tree<'a>, leaves: Range<usize>, into: *mut c_void) -> Self {
        Self { tree, leaves, into, outcome: Mutex::new(Ok(())) }
    }

    /// The task; this half has to stay where it is until the task is joined.
    fn job(&self) -> Job {
        let owner = Owner::Library(self.tree.around);
        Job { function: walk_half, argument: (&raw const *self).cast_mut().cast(), owner }
    }

    /// How the half ended, if it was run at all.
    fn ended(&self, joined: Result<(), Error>) -> Result<(), Error> {
        joined.and_then(|()| lock(&self.outcome).clone())
    }
}

unsafe extern "C-unwind" fn walk_half(half: *mut c_void) -> *mut c_void {
    // SAFETY: whoever submitted this task keeps the half alive until it has joined it, and only looks at its outcome.
    let half = unsafe { &*half.cast::<Half<'_>>() };
    let pool = pool::find(half.tree.pool).expect("a task runs in its pool");
    let outcome = half.tree.walk(&pool, half.leaves.clone(), half.into);
    *lock(&half.outcome) = outcome;
    std::ptr::null_mut()
}

/// Accumulates the range, and writes the whole to `result` if all went well; else says how the lowest part that
/// failed ended.
///
/// # Safety
/// The operation's identity is `size` readable bytes, which nobody writes to meanwhile, and `result` as many writable
/// ones; they may be the same.
pub(crate) unsafe fn reduce(
    pool: &PoolRef,
    begin: usize,
    end: usize,
    grain: usize,
    operation: &Operation<'_>,
    result: *mut c_void,
) -> Result<(), Error> {
    if begin > end {
        return Err(Error::invalid("the range's end is before its begin"));
    }
    if begin == end {
        return Ok(());
    }
    pool::check_open(pool)?;
    let leaves = Leaves::new(begin, end, grain);
    let threads = pool.threads() as usize;
    // One thread alone walks the whole tree.
    let fork_above = if threads == 1 { usize::MAX } else { leaves.count / (threads * SHARES) };
    let tree = Tree { operation, leaves, pool: pool.number, around: pool::around(), fork_above };
    let root = Accumulator::new(operation)?;
    let whole = Half::new(&tree, 0..tree.leaves.count, root.get());
    let mut walked = Ok(());
    if !runs_here(pool, || walked = tree.walk(pool, whole.leaves.clone(), whole.into)) {
        walked = whole.ended(pool::join_part(pool, pool::submit(pool, whole.job())?));
    }
    walked?;
    if operation.size > 0 {
        // SAFETY: by the contract above; the walk has ended, so nobody reads the identity any more.
        unsafe { result.copy_from_nonoverlapping(root.get(), operation.size) };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(begin: usize, end: usize, grain: usize) -> Vec<(usize, usize)> {
        let leaves = Leaves::new(begin, end, grain);
        (0..leaves.count).map(|index| leaves.leaf(index)).collect()
    }

    #[test]
    fn leaves_are_a_grain_long_and_together_the_range() {
        assert_eq!(all(3, 10, 3), [(3, 6), (6, 9), (9, 10)]);
        assert_eq!(all(3, 10, usize::MAX), [(3, 10)]);
        assert_eq!(all(usize::MAX - 2, usize::MAX, 1).len(), 2);
        for length in [1, 511, 512, 513, 100_000] {
            let leaves = all(7, 7 + length, 0);
            assert!(leaves.len() <= AUTOMATIC_LEAVES);
            assert_eq!((leaves[0].0, leaves[leaves.len() - 1].1), (7, 7 + length));
            assert!(leaves.windows(2).all(|pair| pair[0].1 == pair[1].0));
        }
    }

    #[test]
    fn the_largest_range_has_leaves_that_do_not_overflow() {
        let leaves = Leaves::new(0, usize::MAX, 0);
        assert_eq!(leaves.leaf(leaves.count - 1).1, usize::MAX);
        assert!(leaves.count <= AUTOMATIC_LEAVES);
    }
}
