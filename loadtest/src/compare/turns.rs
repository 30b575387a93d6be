//! Whose turn it is.

/// The order of `count` contenders in a round, counted from 0: everyone is at every place equally often, and before everyone
/// else as often as behind, so that no one profits from what the one before left in caches and queues.
pub(super) fn order(round: usize, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    if round % 2 == 1 {
        order.reverse();
    }
    if count > 0 {
        order.rotate_left(round / 2 % count);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_rounds_are_mirrored() {
        assert_eq!(order(0, 4), [0, 1, 2, 3]);
        assert_eq!(order(1, 4), [3, 2, 1, 0]);
        assert_eq!(order(2, 4), [1, 2, 3, 0]);
        assert_eq!(order(3, 4), [2, 1, 0, 3]);
        assert!(order(7, 0).is_empty());
    }

    #[test]
    fn everyone_is_at_every_place_equally_often() {
        for place in 0..3 {
            let mut who: Vec<usize> = (0..6).map(|round| order(round, 3)[place]).collect();
            who.sort_unstable();
            assert_eq!(who, [0, 0, 1, 1, 2, 2], "place {place}");
        }
    }
}
