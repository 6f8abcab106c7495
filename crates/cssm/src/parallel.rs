//! Work that needs no database, on all cores.

/// Fewer items than this are not worth a thread.
const ITEMS_MIN: usize = 32;
/// The most threads.
const THREADS_MAX: usize = 8;

/// Maps items in their order, many at a time.
pub(crate) fn map<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = cores.min(THREADS_MAX).min(items.len() / ITEMS_MIN);
    if threads < 2 {
        return items.into_iter().map(work).collect();
    }
    let size = items.len().div_ceil(threads);
    let mut rest = items.into_iter();
    let work = &work;
    std::thread::scope(|scope| {
        let chunks: Vec<Vec<T>> =
            (0..threads).map(|_| rest.by_ref().take(size).collect()).collect();
        let started: Vec<_> = chunks
            .into_iter()
            .map(|chunk| scope.spawn(move || chunk.into_iter().map(work).collect::<Vec<R>>()))
            .collect();
        started
            .into_iter()
            .flat_map(|thread| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_order_stays() {
        for count in [0, 1, 31, 64, 1000, 1001] {
            let doubled = super::map((0..count).collect(), |n: u32| n * 2);
            assert_eq!(doubled, (0..count).map(|n| n * 2).collect::<Vec<_>>());
        }
    }
}
