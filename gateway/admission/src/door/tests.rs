//! One step at a time.

use super::*;

fn door(limit: usize) -> Door {
    let limit = LimitSettings { initial: limit, min: limit, max: 100, is_adaptive: true };
    Door::new(DoorSettings { limit, burst_wait_us: 20_000, wait_us: 4_000 })
}

fn go(arrival: Arrival) -> Pass {
    let Arrival::Go(pass) = arrival else { panic!("{arrival:?}") };
    pass
}

fn wait(arrival: Arrival) -> (WaiterId, u64) {
    let Arrival::Wait { id, wait_us, .. } = arrival else { panic!("{arrival:?}") };
    (id, wait_us)
}

/// A door in the middle of an overload, at 200 ms: full, with one of the class waiting.
fn overloaded(waiting: Class) -> (Door, Vec<Pass>) {
    let mut door = door(4);
    let passes = (0..4).map(|_| go(door.arrive(0, Class::Ordinary, 1))).collect();
    wait(door.arrive(0, waiting, 1));
    (door, passes)
}

#[test]
fn room_that_comes_free_goes_by_class_and_then_to_who_has_the_least() {
    let mut door = door(4);
    let passes: Vec<Pass> = (0..4).map(|_| go(door.arrive(0, Class::Ordinary, 1))).collect();
    let (export, _) = wait(door.arrive(1, Class::Export, 9));
    let (greedy, _) = wait(door.arrive(2, Class::Live, 1));
    let (modest, _) = wait(door.arrive(3, Class::Live, 2));
    assert_eq!(door.admit(4), None, "there is no room yet");
    let mut order = Vec::new();
    for pass in passes {
        door.leave(10, pass, End::Answered);
        order.extend(door.admit(10).map(|admitted| admitted.id));
        assert_eq!(door.admit(10), None);
    }
    assert_eq!(order, [modest, greedy, export]);
    let counts = door.counts();
    assert_eq!((counts.in_flight, counts.waiting, counts.waited), (3, 0, 3));
    assert_eq!(counts.admitted, [0, 2, 4, 1, 0]);
}

#[test]
fn a_burst_waits_longer_than_an_overload() {
    let (mut door, passes) = overloaded(Class::Live);
    assert_eq!(wait(door.arrive(99_000, Class::Live, 1)).1, 20_000);
    assert_eq!(wait(door.arrive(100_000, Class::Live, 1)).1, 4_000);
    // Once nobody waits, it begins anew.
    for pass in passes {
        door.leave(100_001, pass, End::Answered);
        door.admit(100_001);
    }
    go(door.arrive(100_002, Class::Live, 1));
    assert_eq!(wait(door.arrive(100_003, Class::Live, 1)).1, 20_000);
}

#[test]
fn under_overload_lower_classes_are_sent_away_at_once() {
    let (mut door, _passes) = overloaded(Class::Live);
    // In a burst they wait as well.
    wait(door.arrive(50_000, Class::Export, 1));
    for class in [Class::Ordinary, Class::Export, Class::Unsigned] {
        assert_eq!(door.arrive(200_000, class, 2), Arrival::Shed(Reason::Class));
        assert_eq!(door.counts().shed[class as usize], [0, 0, 1, 0]);
    }
    wait(door.arrive(200_000, Class::Live, 2));
    // Where only equals wait, nobody is.
    let (mut door, _passes) = overloaded(Class::Export);
    wait(door.arrive(200_000, Class::Export, 2));
}

#[test]
fn operators_never_wait_and_the_cap_holds_for_all() {
    let (mut door, passes) = overloaded(Class::Live);
    let more: Vec<Pass> = (0..96).map(|_| go(door.arrive(200_000, Class::Operator, 0))).collect();
    assert_eq!(door.arrive(200_000, Class::Operator, 0), Arrival::Shed(Reason::Cap));
    assert_eq!(door.arrive(200_000, Class::Live, 0), Arrival::Shed(Reason::Cap));
    for pass in more.into_iter().chain(passes) {
        door.leave(200_001, pass, End::Failed);
    }
    assert_eq!(door.counts().in_flight, 0);
}

#[test]
fn places_to_wait_are_few_and_go_to_those_who_count() {
    let (mut door, _passes) = overloaded(Class::Ordinary);
    let waiting: Vec<WaiterId> = (0..15).map(|_| wait(door.arrive(1, Class::Ordinary, 1)).0).collect();
    assert_eq!(door.counts().waiting, 16);
    assert_eq!(door.arrive(2, Class::Ordinary, 1), Arrival::Shed(Reason::Full), "one of the same");
    assert_eq!(door.arrive(2, Class::Export, 2), Arrival::Shed(Reason::Full));
    let Arrival::Wait { instead_of: Some(out), .. } = door.arrive(3, Class::Ordinary, 2) else { panic!() };
    assert_eq!(out, WaiterId(1), "who came first of the tenant with the most");
    let Arrival::Wait { instead_of: Some(out), .. } = door.arrive(4, Class::Live, 1) else { panic!() };
    assert_eq!(out, waiting[0]);
    assert!(!door.give_up(5, out) && !door.cancel(5, out), "he is not there any more");
    assert_eq!(door.counts().waiting, 16);
    assert_eq!(door.counts().shed[Class::Ordinary as usize], [0, 3, 0, 0]);
}

#[test]
fn who_has_waited_long_enough_is_sent_away_and_who_left_is_forgotten() {
    let (mut door, passes) = overloaded(Class::Live);
    let (late, _) = wait(door.arrive(10, Class::Ordinary, 1));
    let (gone, _) = wait(door.arrive(10, Class::Ordinary, 1));
    assert!(door.give_up(20_010, late) && !door.give_up(20_010, late));
    assert!(door.cancel(20_010, gone));
    assert_eq!(door.counts().shed[Class::Ordinary as usize], [0, 0, 0, 1]);
    door.leave(20_020, passes[0], End::Answered);
    assert_eq!(door.admit(20_020).map(|admitted| admitted.id), Some(WaiterId(1)));
    assert_eq!(door.admit(20_020), None);
}

#[test]
fn nonsense_is_refused() {
    let good = DoorSettings {
        limit: LimitSettings { initial: 64, min: 4, max: 4_096, is_adaptive: true },
        burst_wait_us: 20_000,
        wait_us: 4_000,
    };
    assert_eq!(good.check(), Ok(()));
    let with = |limit: LimitSettings| DoorSettings { limit, ..good }.check();
    assert_eq!(with(LimitSettings { min: 0, ..good.limit }), Err(SettingsError::Limit));
    assert_eq!(with(LimitSettings { max: 0, ..good.limit }), Err(SettingsError::Limit));
    assert_eq!(with(LimitSettings { initial: 3, ..good.limit }), Err(SettingsError::Order));
    assert_eq!(with(LimitSettings { max: 10, ..good.limit }), Err(SettingsError::Order));
    assert_eq!(with(LimitSettings { max: 10, is_adaptive: false, ..good.limit }), Ok(()));
    assert_eq!(DoorSettings { wait_us: 30_000, ..good }.check(), Err(SettingsError::Wait));
}
