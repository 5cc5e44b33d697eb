//! Several things side by side: waiting on one thread, computing on all cores.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;

/// Runs `work` over all items on as many threads as there are cores; the results are in the order of the items.
pub fn on_all_cores<I: Sync, T: Send>(items: &[I], work: impl Fn(&I) -> T + Sync) -> Vec<T> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else {
                return done;
            };
            done.push((index, work(item)));
        }
    };
    let mut results: Vec<(usize, T)> = thread::scope(|scope| {
        let others: Vec<_> = (1..cores.min(items.len()))
            .map(|_| scope.spawn(worker))
            .collect();
        let mut all = worker();
        for other in others {
            match other.join() {
                Ok(done) => all.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Runs futures to their end on this thread, no more than `limit` of them at once, without asking them to be `Send` or to
/// own what they use; the results are in the order of the futures.
pub async fn at_most<'a, T: 'a, F: Future<Output = T> + 'a>(
    limit: usize,
    futures: impl IntoIterator<Item = F>,
) -> Vec<T> {
    let mut waiting = futures.into_iter().enumerate();
    let mut crowd = Crowd::default();
    let mut results: Vec<Option<T>> = Vec::new();
    loop {
        while crowd.0.len() < limit.max(1) {
            let Some((index, future)) = waiting.next() else {
                break;
            };
            results.push(None);
            crowd.push(async move { (index, future.await) });
        }
        if crowd.is_empty() {
            break;
        }
        let (index, result) = crowd.next().await;
        results[index] = Some(result);
    }
    results.into_iter().flatten().collect()
}

/// Futures that run side by side on this thread, whose results are taken as they come. More can be added meanwhile; those
/// that still run are dropped with it.
pub struct Crowd<'a, T>(Vec<Pin<Box<dyn Future<Output = T> + 'a>>>);

impl<T> Default for Crowd<'_, T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'a, T> Crowd<'a, T> {
    pub fn push(&mut self, future: impl Future<Output = T> + 'a) {
        self.0.push(Box::pin(future));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next result; with nothing running it waits for ever. Dropping the wait loses nothing.
    pub async fn next(&mut self) -> T {
        std::future::poll_fn(|context| {
            for index in 0..self.0.len() {
                if let Poll::Ready(value) = self.0[index].as_mut().poll(context) {
                    drop(self.0.swap_remove(index));
                    return Poll::Ready(value);
                }
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn items_keep_their_order_on_many_threads() {
        let items: Vec<usize> = (0..1000).collect();
        assert_eq!(
            on_all_cores(&items, |i| i * 2),
            items.iter().map(|i| i * 2).collect::<Vec<_>>()
        );
        assert_eq!(on_all_cores(&[], |()| ()), []);
    }

    #[test]
    fn no_more_than_so_many_run_at_once() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let (running, most) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
        let (running, most) = (&running, &most);
        let futures = (0..10).map(|i: u64| async move {
            running.set(running.get() + 1);
            most.set(most.get().max(running.get()));
            tokio::time::sleep(Duration::from_millis(10 - i)).await;
            running.set(running.get() - 1);
            i
        });
        let results = runtime.block_on(at_most(3, futures));
        assert_eq!(results, (0..10).collect::<Vec<_>>());
        assert_eq!(most.get(), 3);
    }

    #[test]
    fn a_crowd_tells_whoever_is_first() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut crowd = Crowd::default();
            crowd.push(std::future::pending());
            crowd.push(std::future::ready(1));
            assert_eq!(crowd.next().await, 1);
            crowd.push(std::future::ready(2));
            assert_eq!(crowd.next().await, 2);
            assert!(!crowd.is_empty());
        });
    }
}
