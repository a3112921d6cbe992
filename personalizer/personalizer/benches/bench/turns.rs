//! Two things timed in turns, so that whatever else the machine does strikes both alike.

use std::error::Error;
use std::hint::black_box;
use std::io;
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

/// Does `work` with this thread, and every thread and process that it starts, on one CPU.
///
/// Two that wait for each other need only one. With several, a round trip takes three times as long in one run as in
/// the next, because the scheduler decides whether each wakes the other on its own CPU.
///
/// # Errors
/// When the system refuses.
pub fn on_one_cpu<T>(work: impl FnOnce() -> T) -> io::Result<T> {
    let before = sched_getaffinity(None)?;
    let mut here = CpuSet::new();
    here.set(sched_getcpu());
    sched_setaffinity(None, &here)?;
    let result = work();
    sched_setaffinity(None, &before)?;
    Ok(result)
}

/// How long to measure.
#[derive(Clone, Copy)]
pub struct Turns {
    /// How often the two take turns; one more turn before them warms up and is not counted.
    pub rounds: usize,
    /// How often each is done in one turn.
    pub repetitions: usize,
}

/// The median times of the two.
pub struct Medians {
    pub value: Duration,
    pub floor: Duration,
}

impl Turns {
    /// Does both in turns and takes the median of the single times.
    ///
    /// # Errors
    /// The first error of either.
    pub fn measure<A, B>(
        self,
        mut value: impl FnMut() -> Result<A, Box<dyn Error>>,
        mut floor: impl FnMut() -> Result<B, Box<dyn Error>>,
    ) -> Result<Medians, Box<dyn Error>> {
        let (mut values, mut floors) = (Vec::new(), Vec::new());
        for round in 0..=self.rounds {
            let warming_up = round == 0;
            for _ in 0..self.repetitions {
                let time = timed(&mut value)?;
                values.extend((!warming_up).then_some(time));
            }
            for _ in 0..self.repetitions {
                let time = timed(&mut floor)?;
                floors.extend((!warming_up).then_some(time));
            }
        }
        Ok(Medians { value: median(values), floor: median(floors) })
    }
}

/// The time of one piece of work, up to its result; letting go of the result is not counted.
fn timed<T>(work: &mut impl FnMut() -> Result<T, Box<dyn Error>>) -> Result<Duration, Box<dyn Error>> {
    let start = Instant::now();
    let result = black_box(work());
    let time = start.elapsed();
    result.map(|_| time)
}

fn median(mut times: Vec<Duration>) -> Duration {
    let middle = times.len() / 2;
    *times.select_nth_unstable(middle).1
}
