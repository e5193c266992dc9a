//! Number-theoretic transforms for the quotient polynomial.
//!
//! With butterflies whose factor belongs to a block and not to a place in it, one table serves both transforms we need:
//! values on the roots of x^n - 1 to coefficients, and coefficients to values on the roots of x^n + 1. The inverse takes
//! values in bit-reversed order and the forward transform gives them so: nothing is ever permuted.

use rayon::prelude::*;

use crate::field::{Field, Fr, ScalarModulus, Modulus, subtract};

/// Largest transform: the field has roots of unity of order 2^28, and we need one of twice the size.
pub const LOG_MAX: u32 = 27;

/// An element of order 2^log, the one snarkjs and arkworks use: a power of 5.
pub fn root_of_unity(log: u32) -> Fr {
    let odd = {
        // (r - 1) / 2^28
        let mut e = subtract(&ScalarModulus::P, &[1, 0, 0, 0]).0;
        for _ in 0..28 {
            for i in 0..4 {
                e[i] = e[i] >> 1 | if i < 3 { e[i + 1] << 63 } else { 0 };
            }
        }
        e
    };
    (log..28).fold(Fr::from_u64(5).pow(&odd), |root, _| root.square())
}

/// Transforms of 2^log elements.
pub struct Transform {
    log: u32,
    /// ω^reversed(k) for the 2^(log+1)-th root ω.
    factors: Vec<Fr>,
}

/// Blocks that fit a core's cache are transformed to the end before the next.
const BLOCK: usize = 1 << 12;

/// Least butterflies of one task.
const TASK: usize = 1 << 13;

pub fn reversed(k: usize, log: u32) -> usize {
    if log == 0 { 0 } else { k.reverse_bits() >> (usize::BITS - log) }
}

impl Transform {
    pub fn new(log: u32) -> Self {
        assert!(log <= LOG_MAX, "no root of unity of that order");
        let n = 1usize << log;
        let mut factors = vec![Fr::ONE; n];
        // reversed(2^l + k) = 2^(log-1-l) + reversed(k): each half of the table is the one before times a root.
        for level in 0..log {
            let root = root_of_unity(level + 2);
            let (known, rest) = factors.split_at_mut(1 << level);
            rest[..1 << level].par_iter_mut().zip(known).for_each(|(factor, before)| *factor = before.mul(root));
        }
        Transform { log, factors }
    }

    fn size(&self) -> usize {
        1 << self.log
    }

    /// n·coefficients of the polynomial whose value at ω_n^k stands at reversed(k).
    pub fn to_coefficients(&self, values: &mut [Fr]) {
        assert_eq!(values.len(), self.size());
        self.inverse(values, 0, 0);
    }

    /// Values of a polynomial: the one at ω_2n^(2k+1) comes to stand at reversed(k).
    pub fn to_odd_values(&self, coefficients: &mut [Fr]) {
        assert_eq!(coefficients.len(), self.size());
        self.forward(coefficients, 0, 0);
    }

    /// Splits block `k` of 2^level modulo x^m - c² into the halves modulo x^(m/2) - c and x^(m/2) + c.
    fn forward(&self, block: &mut [Fr], level: u32, k: usize) {
        if block.len() <= 1 {
            return;
        }
        if block.len() <= BLOCK {
            return self.forward_block(block, level, k);
        }
        let factor = self.factors[(1 << level) + k];
        let (low, high) = block.split_at_mut(block.len() / 2);
        low.par_chunks_mut(TASK).zip(high.par_chunks_mut(TASK)).for_each(|(low, high)| split(low, high, factor));
        rayon::join(|| self.forward(low, level + 1, 2 * k), || self.forward(high, level + 1, 2 * k + 1));
    }

    fn forward_block(&self, block: &mut [Fr], level: u32, k: usize) {
        let mut half = block.len() / 2;
        let (mut level, mut first) = (level, k);
        while half > 0 {
            for (i, part) in block.chunks_exact_mut(2 * half).enumerate() {
                let (low, high) = part.split_at_mut(half);
                split(low, high, self.factors[(1 << level) + first + i]);
            }
            half /= 2;
            level += 1;
            first *= 2;
        }
    }

    /// Joins what a cyclic `forward` would have split, times its length. Its factors are the first half of the table, and
    /// the inverse of factor k of a level is minus the one that stands as far from the level's other end.
    fn inverse(&self, block: &mut [Fr], level: u32, k: usize) {
        if block.len() <= 1 {
            return;
        }
        if block.len() <= BLOCK {
            return self.inverse_block(block, level, k);
        }
        let (low, high) = block.split_at_mut(block.len() / 2);
        rayon::join(|| self.inverse(low, level + 1, 2 * k), || self.inverse(high, level + 1, 2 * k + 1));
        let factor = self.negated_inverse(k);
        low.par_chunks_mut(TASK).zip(high.par_chunks_mut(TASK)).for_each(|(low, high)| join(low, high, factor));
    }

    fn inverse_block(&self, block: &mut [Fr], level: u32, k: usize) {
        let log = block.len().trailing_zeros();
        for step in 0..log {
            let half = 1 << step;
            let deeper = log - 1 - step;
            let first = k << deeper;
            debug_assert!(level + deeper < self.log);
            for (i, part) in block.chunks_exact_mut(2 * half).enumerate() {
                let (low, high) = part.split_at_mut(half);
                join(low, high, self.negated_inverse(first + i));
            }
        }
    }

    /// -1/factors[k] for k ≥ 1; for k = 0 minus one, as the factor is one.
    fn negated_inverse(&self, k: usize) -> Fr {
        if k == 0 {
            return Fr::ONE.neg();
        }
        let level = 1usize << k.ilog2();
        self.factors[3 * level - 1 - k]
    }
}

/// (u, v) → (u + c·v, u - c·v).
fn split(low: &mut [Fr], high: &mut [Fr], c: Fr) {
    for (u, v) in low.iter_mut().zip(high) {
        let product = v.mul(c);
        *v = u.sub(product);
        *u = u.add(product);
    }
}

/// (u, v) → (u + v, (u - v)/c), given -1/c.
fn join(low: &mut [Fr], high: &mut [Fr], negated_inverse: Fr) {
    for (u, v) in low.iter_mut().zip(high) {
        let difference = v.sub(*u);
        *u = u.add(*v);
        *v = difference.mul(negated_inverse);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluate(coefficients: &[Fr], at: Fr) -> Fr {
        coefficients.iter().rev().fold(Fr::ZERO, |value, c| value.mul(at).add(*c))
    }

    #[test]
    fn roots_have_their_order() {
        for log in 0..=28 {
            let root = root_of_unity(log);
            let half = (1..log).fold(root, |x, _| x.square());
            assert_eq!(if log == 0 { root } else { half.square() }, Fr::ONE);
            if log > 0 {
                assert_eq!(half, Fr::ONE.neg());
            }
        }
        use ark_ff::FftField;
        let theirs = ark_bn254::Fr::get_root_of_unity(1 << 20).unwrap();
        assert_eq!(root_of_unity(20).0, theirs.0.0);
    }

    #[test]
    fn transforms_are_evaluations() {
        for log in [0u32, 1, 2, 3, 7, 10, 14] {
            let n = 1usize << log;
            let transform = Transform::new(log);
            let coefficients: Vec<Fr> = (0..n as u64).map(|i| Fr::from_u64(i * i * 7 + 3).square()).collect();
            let omega = root_of_unity(log);
            let psi = root_of_unity(log + 1);
            let sample = |k: usize| k < 4 || k == n - 1 || k % 997 == 5;

            let mut odd = coefficients.clone();
            transform.to_odd_values(&mut odd);
            for k in (0..n).filter(|&k| sample(k)) {
                assert_eq!(odd[reversed(k, log)], evaluate(&coefficients, psi.pow(&[2 * k as u64 + 1])), "2^{log} odd {k}");
            }

            if log <= 10 {
                let mut values = vec![Fr::ZERO; n];
                for k in 0..n {
                    values[reversed(k, log)] = evaluate(&coefficients, omega.pow(&[k as u64]));
                }
                transform.to_coefficients(&mut values);
                let times = Fr::from_u64(n as u64);
                for k in 0..n {
                    assert_eq!(values[k], coefficients[k].mul(times), "2^{log} coefficient {k}");
                }
            }
        }
    }
}
