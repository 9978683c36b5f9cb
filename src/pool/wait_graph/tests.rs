//! The graph alone, against its definition.

use super::*;

/// Tasks 0 to 7 as they are.
struct World([Fate; 8]);

impl Facts for World {
    fn fate(&self, task: TaskId) -> Fate {
        self.0[task.slot() as usize]
    }

    fn has_ended(&self, task: TaskId) -> bool {
        self.fate(task) == Fate::Ended
    }

    /// All that are queued are of every group.
    fn queued_of(&self, _: u64) -> Vec<TaskId> {
        (0..8).map(id).filter(|&task| self.fate(task) == Fate::Queued).collect()
    }

    /// Each needs threads of its own.
    fn threads_for(&self, task: TaskId) -> (u32, Only) {
        (task.slot(), Only::Any)
    }

    /// The number of a queue says which: one bit for each.
    fn pending_of(&self, queue: u64) -> Vec<TaskId> {
        (0..8).filter(|number| queue >> number & 1 != 0).map(id).collect()
    }
}

const RUNNING: World = World([Fate::Running; 8]);

fn id(number: u32) -> TaskId {
    TaskId::new(number, 1)
}

fn node(number: u32) -> Node {
    Node::Task(id(number))
}

fn ids(numbers: &[u32]) -> Arc<[TaskId]> {
    numbers.iter().copied().map(id).collect()
}

/// A task of this pool that is called after its number.
fn who(number: u32, pool: u32) -> Who {
    Who { name: Some(Arc::from(number.to_string())), pool, groups: None, thread: Thread::Worker }
}

fn in_groups(number: u32, groups: &[u64]) -> Who {
    Who { groups: Some(Arc::from(groups)), ..who(number, 0) }
}

/// Registers the wait; what the circle that it closes reads.
fn add(graph: &mut Graph, world: &World, number: u32, pool: u32, want: Want) -> Option<String> {
    graph.wait(node(number), who(number, pool), want);
    circle(graph, world, number)
}

fn circle(graph: &Graph, world: &World, number: u32) -> Option<String> {
    let circle = graph.stuck(world, node(number))?.circle().expect("what is stuck is on a circle");
    Some(circle.into_iter().filter_map(|key| graph.title(key)).collect::<Vec<_>>().join(">"))
}

fn any(numbers: &[u32]) -> Want {
    Want::Any(ids(numbers))
}

fn all(numbers: &[u32]) -> Want {
    Want::All(ids(numbers))
}

#[test]
fn a_circle_is_found_by_who_closes_it_and_reads_from_him_back_to_him() {
    let mut graph = Graph::new();
    assert_eq!(add(&mut graph, &RUNNING, 0, 0, any(&[1])), None);
    assert_eq!(add(&mut graph, &RUNNING, 1, 0, any(&[2])), None);
    assert_eq!(add(&mut graph, &RUNNING, 2, 0, any(&[0])).unwrap(), "2>0>1>2");
    assert_eq!(add(&mut graph, &RUNNING, 3, 0, any(&[3])).unwrap(), "3>3");
}

#[test]
fn a_wait_that_is_over_is_seen_as_such_and_closes_no_circle_until_it_is_ended() {
    let mut graph = Graph::new();
    let over = |graph: &Graph| {
        graph.any_is_over_on_a_thread_of(0, Thread::Worker, |_| false, |_| false, |_| false, |_| false)
    };
    assert_eq!(add(&mut graph, &RUNNING, 0, 0, Want::Group(7)), None);
    assert!(!over(&graph));
    graph.note_over(node(0));
    assert!(over(&graph));
    assert_eq!(add(&mut graph, &RUNNING, 1, 0, any(&[0])), None);
    assert!(circle(&graph, &RUNNING, 0).is_none());
    graph.end_wait(node(0));
    assert!(!over(&graph));
}

#[test]
fn who_waits_for_all_and_must_look_again_is_told_through_the_one_whose_turn_it_is() {
    let mut graph = Graph::new();
    assert_eq!(add(&mut graph, &RUNNING, 0, 0, all(&[1, 2])), None);
    graph.set_turn(node(0), Some(id(1)));
    assert_eq!(add(&mut graph, &RUNNING, 2, 0, Want::After(vec![id(0), id(3)])), None);
    graph.strike(node(2), id(3));
    assert_eq!(circle(&graph, &RUNNING, 2).unwrap(), "2>0>2");
    assert_eq!(graph.take_waits_for(node(2)).tasks, [id(2), id(1)]);
    assert!(!graph.is_waiting(node(0)));
}

#[test]
fn a_wait_for_all_is_caught_by_its_last_element_and_a_wait_for_any_by_the_last_of_them() {
    let mut graph = Graph::new();
    assert_eq!(add(&mut graph, &RUNNING, 1, 0, any(&[0])), None);
    assert_eq!(add(&mut graph, &RUNNING, 2, 0, any(&[0])), None);
    assert_eq!(add(&mut graph, &RUNNING, 0, 0, any(&[1, 2, 3])), None);
    assert_eq!(add(&mut graph, &RUNNING, 0, 0, any(&[1, 2])).unwrap(), "0>1>0");
    assert_eq!(add(&mut graph, &RUNNING, 0, 0, all(&[3, 4, 2])).unwrap(), "0>2>0");
}

#[test]
fn what_comes_after_a_handle_that_is_gone_does_not_matter() {
    let mut world = World([Fate::Running; 8]);
    world.0[3] = Fate::Gone;
    let mut graph = Graph::new();
    assert_eq!(add(&mut graph, &world, 1, 0, any(&[0])), None);
    assert_eq!(add(&mut graph, &world, 0, 0, all(&[2, 3, 1])), None);
    assert_eq!(add(&mut graph, &world, 0, 0, any(&[1, 3])), None);
    assert!(add(&mut graph, &world, 0, 0, all(&[2, 1, 3])).is_some());
}

#[test]
fn pools_that_wait_for_each_others_idleness_are_a_circle() {
    let mut graph = Graph::new();
    assert_eq!(add(&mut graph, &RUNNING, 0, 5, Want::Idle(6)), None);
    let own = format!("1>{}>0>{}>1", idleness(5), idleness(6));
    assert_eq!(add(&mut graph, &RUNNING, 1, 6, Want::Idle(5)).unwrap(), own);
    graph.end_wait(node(1));
    assert_eq!(add(&mut graph, &RUNNING, 1, 7, Want::Idle(5)), None);
    let own = format!("2>{}>2", idleness(8));
    assert_eq!(add(&mut graph, &RUNNING, 2, 8, Want::Idle(8)).unwrap(), own);
}

#[test]
fn a_part_of_no_task_keeps_its_pool_from_being_idle() {
    let mut graph = Graph::new();
    let part = Node::Part(4096);
    graph.wait(node(0), who(0, 0), Want::Idle(1));
    graph.wait(part, Who { name: None, ..who(9, 1) }, any(&[0]));
    assert!(graph.stuck(&RUNNING, part).is_some());
}

#[test]
fn a_group_ends_with_whatever_is_in_it_or_below() {
    crate::task::find_copy();
    let mut graph = Graph::new();
    graph.wait(node(0), in_groups(0, &[11, 10]), any(&[1]));
    graph.wait(node(1), who(1, 0), Want::Group(10));
    let group = format!("1>group {:#x}>0>1", encode(Kind::Group, 10));
    assert_eq!(circle(&graph, &RUNNING, 1).unwrap(), group);
    graph.wait(node(1), who(1, 0), Want::Group(11));
    assert!(graph.stuck(&RUNNING, node(1)).is_some());
    graph.wait(node(1), who(1, 0), Want::Group(12));
    assert!(graph.stuck(&RUNNING, node(1)).is_none());
}

#[test]
fn a_body_waits_for_what_runs_on_top_of_it_and_for_what_it_waits_for_itself() {
    let mut graph = Graph::new();
    graph.link(node(0), who(0, 0), node(1));
    assert_eq!(add(&mut graph, &RUNNING, 1, 0, any(&[2])), None);
    assert_eq!(add(&mut graph, &RUNNING, 2, 0, any(&[0])).unwrap(), "2>0>1>2");
    graph.unlink(node(0));
    assert!(graph.stuck(&RUNNING, node(2)).is_none());
    graph.wait(node(0), who(0, 0), all(&[3, 2]));
    graph.link(node(0), who(0, 0), node(1));
    graph.end_wait(node(1));
    assert_eq!(circle(&graph, &RUNNING, 2).unwrap(), "2>0>2");
}

#[test]
fn a_held_task_can_end_while_one_that_is_left_can() {
    let mut graph = Graph::new();
    graph.wait(node(0), who(0, 0), Want::After(vec![id(1), id(2)]));
    assert_eq!(add(&mut graph, &RUNNING, 1, 0, any(&[0])), None);
    graph.strike(node(0), id(2));
    assert_eq!(circle(&graph, &RUNNING, 0).unwrap(), "0>1>0");
    let mut world = World([Fate::Running; 8]);
    world.0[1] = Fate::Ended;
    assert!(graph.stuck(&world, node(0)).is_none());
    graph.strike(node(0), id(1));
    assert!(graph.stuck(&RUNNING, node(0)).is_none());
}

#[test]
fn who_must_wait_takes_away_the_waits_that_lead_to_it_and_they_find_the_circle() {
    let mut graph = Graph::new();
    graph.wait(node(1), who(1, 3), all(&[4, 0]));
    graph.wait(node(2), who(2, 3), any(&[6]));
    graph.wait(node(6), who(6, 3), Want::After(vec![id(7)]));
    graph.link(node(7), who(7, 3), node(0));
    graph.wait(node(5), who(5, 4), Want::Idle(3));
    graph.wait(node(3), who(3, 5), any(&[4]));
    assert!(add(&mut graph, &RUNNING, 0, 3, all(&[1, 2, 5])).is_some());
    let told = graph.take_waits_for(node(0));
    assert_eq!(told.tasks, [id(0), id(6), id(7)]);
    assert_eq!((told.pools, told.groups), (vec![3], vec![]));
    let left: Vec<u32> = (0..8).filter(|number| graph.is_waiting(node(*number))).collect();
    assert_eq!(left, [0, 3, 6]);
    assert!(graph.stuck(&RUNNING, node(0)).is_none());
    for (number, want) in [(1, all(&[4, 0])), (2, any(&[6])), (5, Want::Idle(3))] {
        assert!(add(&mut graph, &RUNNING, number, 3, want).is_some());
        graph.end_wait(node(number));
    }
}

#[test]
fn a_wait_for_all_comes_down_to_the_one_whose_turn_it_is() {
    let world = World([Fate::Queued; 8]);
    let mut graph = Graph::new();
    graph.wait(node(0), who(0, 0), all(&[1, 2]));
    let asked = |graph: &Graph, has_thread: u32| {
        let mut asked = Vec::new();
        let mut puzzle = Puzzle::new(graph, &world, Question::Now, Key::Wait(node(0)));
        let solved = puzzle.solve(|task| {
            asked.push(task.slot());
            (task.slot() == has_thread).then_some(()).ok_or(())
        });
        (asked, solved.is_ok())
    };
    assert_eq!(asked(&graph, 9), (vec![], true));
    graph.set_turn(node(0), Some(id(2)));
    assert_eq!(asked(&graph, 9), (vec![2], false));
    graph.wait(node(2), who(2, 0), any(&[3, 4, 5]));
    assert_eq!(asked(&graph, 9), (vec![3, 4, 5], false));
    assert_eq!(asked(&graph, 4), (vec![3, 4], true));
    graph.wait(node(2), who(2, 1), Want::Idle(0));
    graph.wait(node(6), who(6, 0), any(&[7]));
    assert!(!asked(&graph, 9).1);
}

#[test]
fn a_wait_on_a_queue_comes_down_to_any_of_those_that_are_to_come() {
    let world = World([Fate::Queued; 8]);
    let mut graph = Graph::new();
    let asked = |graph: &Graph, number: u32, has_thread: u32| {
        let mut asked = Vec::new();
        let mut puzzle = Puzzle::new(graph, &world, Question::Now, Key::Wait(node(number)));
        let solved = puzzle.solve(|task| {
            asked.push(task.slot());
            (task.slot() == has_thread).then_some(()).ok_or(())
        });
        (asked, solved.is_ok())
    };
    graph.wait(node(0), who(0, 0), Want::Queue(0b110));
    assert_eq!(asked(&graph, 0, 9), (vec![1, 2], false));
    assert_eq!(asked(&graph, 0, 2), (vec![1, 2], true));
    graph.wait(node(3), who(3, 0), any(&[0]));
    assert_eq!(asked(&graph, 3, 9), (vec![1, 2], false), "over another");
    graph.wait(node(0), who(0, 0), Want::Queue(0));
    assert_eq!(asked(&graph, 3, 9), (vec![], true), "somebody may add one");
}

#[test]
fn a_wait_on_a_queue_closes_no_circle() {
    let mut graph = Graph::new();
    assert_eq!(add(&mut graph, &RUNNING, 0, 0, Want::Queue(0b10)), None);
    assert_eq!(add(&mut graph, &RUNNING, 1, 0, any(&[0])), None);
    assert_eq!(add(&mut graph, &RUNNING, 0, 0, Want::Queue(0b11)), None);
}

#[test]
fn all_others_that_wait_are_made_to_look_again_but_held_tasks() {
    let mut graph = Graph::new();
    for (number, want) in [(0, Want::Queue(4)), (1, all(&[5, 6])), (2, any(&[6, 7])), (3, Want::Idle(8))] {
        graph.wait(node(number), who(number, 0), want);
    }
    graph.wait(node(4), who(4, 0), Want::Group(9));
    graph.wait(node(5), who(5, 0), Want::After(vec![id(7)]));
    graph.wait(node(6), who(6, 0), Want::Queue(5));
    graph.set_turn(node(1), Some(id(5)));
    let told = graph.take_waits_of_others(node(0));
    assert_eq!((told.tasks, told.pools), (vec![id(5), id(6)], vec![8]));
    assert_eq!((told.groups, told.queues), (vec![9], vec![5]));
    let left: Vec<u32> = (0..8).filter(|number| graph.is_waiting(node(*number))).collect();
    assert_eq!(left, [0, 5]);
}

// Against the definition.

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as u32 % bound
    }
}

/// Waiters 0 to 4; 5 runs, 6 has ended, 7's handle is gone.
const WAITERS: u32 = 5;
const FATES: World = World([
    Fate::Running,
    Fate::Running,
    Fate::Running,
    Fate::Running,
    Fate::Running,
    Fate::Running,
    Fate::Ended,
    Fate::Gone,
]);

#[derive(Clone, Default)]
struct Wait {
    kind: u32,
    targets: Vec<u32>,
    inner: Option<u32>,
    pool: u32,
    group: u64,
}

impl Wait {
    fn random(random: &mut Random, number: u32) -> Self {
        let kind = random.below(7);
        // What runs inside another body has begun later: no circles of inner ones.
        let inner = (random.below(4) == 0 && number + 1 < WAITERS)
            .then(|| number + 1 + random.below(WAITERS - number - 1));
        let targets = (0..1 + random.below(3)).map(|_| random.below(8)).collect();
        Self { kind, targets, inner, pool: random.below(2), group: u64::from(random.below(3)) }
    }

    fn who(&self, number: u32) -> Who {
        // Group 1 is above group 2.
        let groups: &[u64] = [&[][..], &[1], &[2, 1]][self.group as usize];
        Who { groups: Some(Arc::from(groups)), ..who(number, self.pool) }
    }

    fn want(&self) -> Option<Want> {
        match self.kind {
            0 => None,
            1 | 2 => Some(all(&self.targets)),
            3 => Some(any(&self.targets)),
            4 => Some(Want::Idle(self.targets[0] % 2)),
            5 => Some(Want::Group(u64::from(self.targets[0] % 2) + 1)),
            _ => Some(Want::After(ids(&self.targets).to_vec())),
        }
    }

    fn is_empty(&self) -> bool {
        self.kind == 0 && self.inner.is_none()
    }

    fn put(&self, graph: &mut Graph, number: u32) {
        if let Some(want) = self.want() {
            graph.wait(node(number), self.who(number), want);
        }
        if let Some(inner) = self.inner {
            graph.link(node(number), self.who(number), node(inner));
        }
    }

    /// Whether it can end if those of `ends` can, by the definition.
    fn holds(&self, waits: &[Self], ends: u32) -> bool {
        let can = |number: u32| number >= WAITERS || ends & 1 << number != 0;
        let members = |is_member: &dyn Fn(&Self) -> bool| {
            (0..WAITERS).filter(|n| is_member(&waits[*n as usize]) && !waits[*n as usize].is_empty()).all(can)
        };
        let target = self.targets.first().copied().unwrap_or(0) % 2;
        self.inner.is_none_or(can)
            && match self.kind {
                0 => true,
                1 | 2 => self.targets.iter().take_while(|target| **target != 7).all(|target| can(*target)),
                6 if self.targets.is_empty() => true,
                3 | 6 => self.targets.iter().any(|target| can(*target)),
                4 => members(&|wait| wait.pool == target),
                _ => members(&|wait| wait.group > u64::from(target)),
            }
    }
}

/// Who can end, as a set of bits: the intersection of all sets that the equations do not lead out of.
fn least(waits: &[Wait]) -> u32 {
    (0..1 << WAITERS).fold((1 << WAITERS) - 1, |least, set| {
        let closed = (0..WAITERS).all(|n| set & 1 << n != 0 || !waits[n as usize].holds(waits, set));
        if closed {
            least & set
        } else {
            least
        }
    })
}

const GRAPHS: u32 = 1_000_000;

#[test]
fn in_a_million_random_graphs_exactly_those_are_stuck_that_the_definition_says() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let (mut stuck, mut free) = (0, 0);
    for _ in 0..GRAPHS {
        let waits: Vec<Wait> = (0..WAITERS).map(|number| Wait::random(&mut random, number)).collect();
        let mut graph = Graph::new();
        waits.iter().enumerate().for_each(|(number, wait)| wait.put(&mut graph, number as u32));
        let asked = random.below(WAITERS);
        let can_end = graph.stuck(&FATES, node(asked)).is_none();
        assert_eq!(can_end, least(&waits) & 1 << asked != 0, "graph of {asked}");
        *if can_end { &mut free } else { &mut stuck } += 1;
    }
    assert!(stuck > GRAPHS / 10 && free > GRAPHS / 10, "{stuck} stuck, {free} free");
}

#[test]
fn whoever_is_refused_or_gives_way_the_others_can_end() {
    let mut random = Random(0x1234_5678_9ABC_DEF1);
    let (mut refused, mut gave_way) = (0, 0);
    for _ in 0..GRAPHS / 10 {
        let mut graph = Graph::new();
        let mut waits = vec![Wait::default(); WAITERS as usize];
        for _ in 0..12 {
            let number = random.below(WAITERS);
            let mut wait = Wait::random(&mut random, number);
            (wait.inner, wait.kind) = (None, wait.kind.max(1));
            if wait.kind == 6 {
                // What a task is held back for has been there before it.
                wait.targets.retain(|target| *target < number || *target >= WAITERS);
            }
            let must_wait = random.below(4) == 0;
            if graph.is_waiting(node(number)) {
                continue;
            }
            wait.put(&mut graph, number);
            let Some(puzzle) = graph.stuck(&FATES, node(number)) else {
                waits[number as usize] = wait;
                continue;
            };
            check_circle(&puzzle, &graph, number);
            if must_wait && !own(&wait, &graph, number) {
                waits[number as usize] = wait;
                let _ = graph.take_waits_for(node(number));
                gave_way += 1;
            } else {
                graph.end_wait(node(number));
                refused += 1;
            }
            for number in 0..WAITERS {
                if !graph.is_waiting(node(number)) {
                    waits[number as usize] = Wait::default();
                }
            }
            assert_eq!(least(&waits), (1 << WAITERS) - 1);
        }
    }
    assert!(refused > 1000 && gave_way > 1000, "{refused} refused, {gave_way} gave way");
}

/// Whether there is nobody else who could give way. A wait that must go on is never of this kind: it is for a task that
/// was begun, and never for a pool or a group.
fn own(wait: &Wait, graph: &Graph, number: u32) -> bool {
    let hanging = graph.hanging_on(node(number));
    matches!(wait.kind, 4 | 5) || wait.targets.iter().any(|target| hanging.contains(&node(*target)))
}

/// Each step of the circle is one that the goal before it needs.
fn check_circle(puzzle: &Puzzle, graph: &Graph, number: u32) {
    let circle = puzzle.circle().expect("the rest can end, so it is caught by itself");
    assert_eq!((circle[0], circle[circle.len() - 1]), (Key::Node(node(number)), Key::Node(node(number))));
    for pair in circle.windows(2) {
        let (Needs::All(needed) | Needs::Any(needed)) = graph.needs(&FATES, Question::Ever, pair[0]);
        assert!(needed.contains(&pair[1]), "{pair:?}");
    }
}
