//! Ends that bring about other ends, one after the other instead of one inside the other.
//!
//! ```text
//! first step -> [ step, step, ... ]      a chain of ten thousand dependents that are canceled takes no more stack than one
//! ```

use crate::sync::call_out;
use std::cell::RefCell;
use std::collections::VecDeque;

type Step = Box<dyn FnOnce()>;

thread_local! {
    /// What is to be done when the step that this thread is in has ended; `None`: it is in none.
    static LINE: RefCell<Option<VecDeque<Step>>> = const { RefCell::new(None) };
}

/// Does the step now; inside another step, after that one.
pub(crate) fn in_line(step: impl FnOnce() + 'static) {
    let mut step: Option<Step> = Some(Box::new(step));
    // A thread that is ending has no line any more: there it is one inside the other.
    let _ = LINE.try_with(|line| match &mut *line.borrow_mut() {
        Some(line) => line.extend(step.take()),
        none => *none = Some(VecDeque::new()),
    });
    let Some(first) = step else { return };
    first();
    while let Some(next) = next() {
        next();
    }
}

/// The next step in line; the line ends where there is none.
fn next() -> Option<Step> {
    LINE.try_with(|line| {
        let mut line = line.borrow_mut();
        let next = line.as_mut().and_then(VecDeque::pop_front);
        if next.is_none() {
            *line = None;
        }
        next
    })
    .ok()
    .flatten()
}

/// Calls a function of the embedder's: what it brings about has been done when it returns, as it may wait for that.
pub(crate) fn calling_out<T>(body: impl FnOnce() -> T) -> T {
    let outer = LINE.try_with(|line| line.take()).ok().flatten();
    let value = call_out(body);
    let _ = LINE.try_with(|line| line.replace(outer));
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    #[test]
    fn a_step_inside_a_step_is_done_after_it() {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let outer = seen.clone();
        in_line(move || {
            let inner = outer.clone();
            in_line(move || inner.borrow_mut().push("inner"));
            outer.borrow_mut().push("outer");
        });
        assert_eq!(*seen.borrow(), ["outer", "inner"]);
    }

    #[test]
    fn what_a_callback_brings_about_is_done_when_it_returns() {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let outer = seen.clone();
        in_line(move || {
            let inner = outer.clone();
            calling_out(|| in_line(move || inner.borrow_mut().push("inner")));
            outer.borrow_mut().push("outer");
        });
        assert_eq!(*seen.borrow(), ["inner", "outer"]);
    }
}
