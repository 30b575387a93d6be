//! What one connection does: it waits for its turn, calls, and notes how long the answer took.

use std::time::Duration;

use super::schedule::Schedule;
use super::timer::Timer;

/// Calls until the schedule is over.
pub(super) async fn drive<T: Timer, A>(
    schedule: &Schedule<T>,
    mut call: impl AsyncFnMut(u64) -> A,
    mut record: impl FnMut(A, Duration),
) {
    while let Some(turn) = schedule.next().await {
        let answer = call(turn.number).await;
        record(answer, turn.due.elapsed());
        schedule.think().await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tokio::time::{Instant, sleep, sleep_until};

    use super::*;
    use crate::load::{End, Pace};

    const MS: Duration = Duration::from_millis(1);

    struct Paused;

    impl Timer for Paused {
        async fn until(&self, due: Instant) {
            sleep_until(due).await;
        }
    }

    fn open(per_second: u32) -> Pace {
        Pace::Open { per_second: per_second.try_into().expect("not 0") }
    }

    /// The latencies that `connections` see of a server that answers the call of a number after so many milliseconds, in
    /// the order of the answers, and the schedule.
    async fn latencies(
        pace: Pace,
        end: End,
        connections: usize,
        takes: impl Fn(u64) -> u32,
    ) -> (Vec<u128>, Schedule<Paused>) {
        let schedule = Schedule::new(pace, end, Paused);
        let latencies = RefCell::new(Vec::new());
        let connection = || {
            let call = async |number| sleep(MS * takes(number)).await;
            drive(&schedule, call, |(), latency| latencies.borrow_mut().push(latency.as_millis()))
        };
        futures_util::future::join_all((0..connections).map(|_| connection())).await;
        (latencies.into_inner(), schedule)
    }

    #[tokio::test(start_paused = true)]
    async fn in_an_open_loop_a_stall_is_seen_by_every_call_that_it_held_up() {
        let stalls_once = |number| if number == 3 { 500 } else { 10 };
        let (latencies, schedule) = latencies(open(10), End::Calls(10), 1, stalls_once).await;
        assert_eq!(latencies, [10, 10, 500, 410, 320, 230, 140, 50, 10, 10]);
        assert_eq!(schedule.elapsed(), MS * 910);
        assert_eq!(schedule.unsent(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn in_a_closed_loop_a_stall_is_seen_once() {
        let stalls_once = |number| if number == 3 { 500 } else { 10 };
        let think = Pace::Closed { think: MS * 90 };
        let (latencies, schedule) = latencies(think, End::Calls(5), 1, stalls_once).await;
        assert_eq!(latencies, [10, 10, 500, 10, 10]);
        assert_eq!(schedule.elapsed(), MS * (10 + 10 + 500 + 10 + 10 + 5 * 90));
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_loop_keeps_its_rate_while_a_connection_is_free() {
        let (latencies, schedule) = latencies(open(100), End::After(MS * 1000), 3, |_| 25).await;
        assert_eq!(latencies, [25; 100]);
        assert_eq!(schedule.unsent(), 0);
        assert_eq!(schedule.elapsed(), MS * (990 + 25));
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_loop_ends_in_time_and_says_what_it_has_not_sent() {
        let (latencies, schedule) = latencies(open(100), End::After(MS * 1000), 1, |_| 100).await;
        assert_eq!(latencies, (0..10).map(|call| 100 + call * 90).collect::<Vec<_>>());
        assert_eq!(schedule.unsent(), 90);
        assert_eq!(schedule.elapsed(), MS * 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_loop_ends_after_its_time() {
        let closed = Pace::Closed { think: Duration::ZERO };
        let (latencies, schedule) = latencies(closed, End::After(MS * 100), 2, |_| 40).await;
        assert_eq!(latencies, [40; 6]);
        assert_eq!(schedule.elapsed(), MS * 120);
    }
}
