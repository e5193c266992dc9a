//! Σ scalar·point by Pippenger's buckets, filled by affine additions that share one inversion.
//!
//! Most wires of a circuit are bits or small numbers of either sign, so scalars are taken by their absolute value, and each
//! window looks only at those that reach it.

use rayon::prelude::*;
use zeroize::Zeroizing;

use crate::curve::{Affine, Coordinate, Xyzz};
use crate::field::{Modulus, ScalarModulus, add_limbs, subtract};

/// Points as a key holds them: one after another, in Montgomery form.
#[derive(Clone, Copy)]
pub struct Points<'a, F> {
    bytes: &'a [u8],
    field: std::marker::PhantomData<F>,
}

impl<'a, F: Coordinate> Points<'a, F> {
    pub fn new(bytes: &'a [u8]) -> Self {
        assert!(bytes.len().is_multiple_of(Affine::<F>::BYTES), "whole points");
        Points { bytes, field: std::marker::PhantomData }
    }

    #[inline(always)]
    pub fn get(&self, i: usize) -> Affine<F> {
        Affine::read(&self.bytes[i * Affine::<F>::BYTES..(i + 1) * Affine::<F>::BYTES])
    }
}

/// Scalars sorted for multiplication: those that are not zero, longest first.
pub struct Sorted {
    /// Index of a scalar, with the top bit set where its negative is meant.
    order: Vec<u32>,
    /// reaching[b] scalars have an absolute value of at least b bits.
    reaching: [usize; 256],
}

const NEGATIVE: u32 = 1 << 31;

/// The absolute value of a scalar as an integer between -r/2 and r/2, and whether it is negative.
#[inline(always)]
fn absolute(scalar: &[u64; 4]) -> ([u64; 4], bool) {
    // Lengths decide: an element above r/2 has 253 bits or more, as has its negative if it is not small.
    if scalar[3] < ScalarModulus::P[3] / 2 {
        return (*scalar, false);
    }
    (subtract(&ScalarModulus::P, scalar).0, true)
}

#[inline(always)]
fn bits(limbs: &[u64; 4]) -> usize {
    for i in (0..4).rev() {
        if limbs[i] != 0 {
            return 64 * i + 64 - limbs[i].leading_zeros() as usize;
        }
    }
    0
}

impl Sorted {
    pub fn new(scalars: &[[u64; 4]]) -> Self {
        let mut counts = [0usize; 256];
        for scalar in scalars {
            counts[bits(&absolute(scalar).0)] += 1;
        }
        let mut reaching = [0; 256];
        let mut next = [0; 256];
        let mut total = 0;
        for length in (1..256).rev() {
            next[length] = total;
            total += counts[length];
            reaching[length] = total;
        }
        reaching[0] = total;
        let mut order = vec![0u32; total];
        for (i, scalar) in scalars.iter().enumerate() {
            let (value, negative) = absolute(scalar);
            let length = bits(&value);
            if length > 0 {
                order[next[length]] = i as u32 | if negative { NEGATIVE } else { 0 };
                next[length] += 1;
            }
        }
        Sorted { order, reaching }
    }

    /// How many scalars have a digit other than zero in the window that begins at bit `from`, at most: a carry from below
    /// needs a number of nearly `from` bits.
    fn reaching(&self, from: usize) -> usize {
        self.reaching[from.saturating_sub(1).min(255)]
    }

    /// The part that is longer than `limit` bits, and the rest.
    fn split(&self, limit: usize) -> (Slice<'_>, Slice<'_>) {
        let at = self.reaching[limit + 1];
        (Slice { of: self, from: 0, to: at, bits: 254 }, Slice { of: self, from: at, to: self.order.len(), bits: limit })
    }
}

/// A run of sorted scalars, none longer than `bits`.
#[derive(Clone, Copy)]
struct Slice<'a> {
    of: &'a Sorted,
    from: usize,
    to: usize,
    bits: usize,
}

impl<'a> Slice<'a> {
    /// Scalars that reach the window which begins at bit `from`.
    fn window(&self, from: usize) -> &'a [u32] {
        let to = self.of.reaching(from).clamp(self.from, self.to);
        &self.of.order[self.from..to]
    }

    /// Windows of `width` bits that cover the scalars and a carry.
    fn windows(&self, width: usize) -> usize {
        self.bits / width + 1
    }

    /// Width with the least work: six multiplications for an addition into a bucket, some 26 for emptying one.
    fn width(&self) -> usize {
        let cost = |width: &usize| -> usize {
            (0..self.windows(*width)).map(|i| self.window(i * width)).filter(|window| !window.is_empty()).map(|window| 6 * window.len() + (26 << (width - 1))).sum()
        };
        (2..=16).min_by_key(cost).unwrap_or(8)
    }
}

/// Most bits of what counts as a small scalar: accumulators of quantised models stay below.
const SMALL_BITS: usize = 40;

/// Σ scalars[i]·points[i]. `sorted` must be made from the same scalars.
pub fn multiply<F: Coordinate>(points: Points<'_, F>, scalars: &[[u64; 4]], sorted: &Sorted) -> Xyzz<F> {
    let (long, short) = sorted.split(SMALL_BITS);
    let plans: Vec<Plan<'_>> = [long, short].into_iter().filter(|slice| slice.from < slice.to).map(|slice| Plan::new(slice, scalars)).collect();
    let tasks: Vec<Task<'_>> = plans.iter().flat_map(Plan::tasks).collect();
    let sums: Vec<(usize, Xyzz<F>)> = tasks.into_par_iter().map(|task| (task.at, task.run(points))).collect();
    // Σ 2^at·sum, highest first.
    let mut total = Xyzz::INFINITY;
    for bit in (0..=254).rev() {
        total = total.double();
        for (_, sum) in sums.iter().filter(|(at, _)| *at == bit) {
            total = total.add(sum);
        }
    }
    total
}

/// Some scalars cut into windows of one width.
struct Plan<'a> {
    slice: Slice<'a>,
    width: usize,
    windows: usize,
    /// Absolute value of each scalar of the slice plus Σ 2^(width·i + width-1) over all windows but the top one. That makes
    /// every digit but the top one non-negative: digit + 2^(width-1) lies in 0..2^width - 1.
    values: Zeroizing<Vec<[u64; 4]>>,
}

/// Fewest entries that are worth a task of their own.
const TASK_MIN: usize = 1 << 14;

impl<'a> Plan<'a> {
    fn new(slice: Slice<'a>, scalars: &[[u64; 4]]) -> Self {
        let width = slice.width();
        Self::with_width(slice, scalars, width)
    }

    fn with_width(slice: Slice<'a>, scalars: &[[u64; 4]], width: usize) -> Self {
        let windows = slice.windows(width);
        let mut recentring = [0; 4];
        for i in 0..windows - 1 {
            let bit = width * i + width - 1;
            recentring[bit / 64] |= 1 << (bit % 64);
        }
        let values = slice.of.order[slice.from..slice.to].iter().map(|entry| add_limbs(&absolute(&scalars[(entry & !NEGATIVE) as usize]).0, &recentring)).collect();
        Plan { slice, width, windows, values: Zeroizing::new(values) }
    }

    fn tasks(&self) -> Vec<Task<'_>> {
        let mut out = Vec::new();
        for window in 0..self.windows {
            let entries = self.slice.window(window * self.width);
            if entries.is_empty() {
                continue;
            }
            // Few windows and many processors: cut windows into pieces, each with its own buckets.
            let pieces = (4 * rayon::current_num_threads()).div_ceil(self.windows).min(entries.len().div_ceil(TASK_MIN)).max(1);
            let length = entries.len().div_ceil(pieces);
            for (entries, values) in entries.chunks(length).zip(self.values.chunks(length)) {
                out.push(Task { entries, values, at: window * self.width, width: self.width, top: window == self.windows - 1 });
            }
        }
        out
    }
}

/// One window over some scalars.
struct Task<'a> {
    entries: &'a [u32],
    /// At least as many values as entries.
    values: &'a [[u64; 4]],
    /// Lowest bit of the window.
    at: usize,
    width: usize,
    top: bool,
}

/// Entries taken at a time: their points fill a few megabytes of cache.
const CHUNK: usize = 1 << 15;

impl Task<'_> {
    fn run<F: Coordinate>(&self, points: Points<'_, F>) -> Xyzz<F> {
        let mut buckets = Buckets::new(1 << (self.width - 1));
        let mut digits = Vec::with_capacity(CHUNK.min(self.entries.len()));
        for (entries, values) in self.entries.chunks(CHUNK).zip(self.values.chunks(CHUNK)) {
            digits.clear();
            digits.extend(entries.iter().zip(values).filter_map(|(&entry, value)| {
                let digit = self.digit(value);
                let sign = if digit < 0 { NEGATIVE } else { 0 };
                (digit != 0).then(|| (digit.unsigned_abs() - 1, entry ^ sign))
            }));
            buckets.add(&digits, points);
        }
        digits.fill((0, 0));
        buckets.sum()
    }

    #[inline(always)]
    fn digit(&self, value: &[u64; 4]) -> i32 {
        let (word, shift) = (self.at / 64, self.at % 64);
        let mut raw = value[word] >> shift;
        if shift > 0 && word < 3 {
            raw |= value[word + 1] << (64 - shift);
        }
        let raw = (raw & ((1 << self.width) - 1)) as i32;
        if self.top { raw } else { raw - (1 << (self.width - 1)) }
    }
}

/// Sums of points by digit.
struct Buckets<F> {
    sums: Vec<Affine<F>>,
    work: Vec<Affine<F>>,
    products: Vec<F>,
    starts: Vec<u32>,
}

impl<F: Coordinate> Buckets<F> {
    fn new(count: usize) -> Self {
        Buckets { sums: vec![Affine::INFINITY; count], work: Vec::new(), products: Vec::new(), starts: vec![0; count + 1] }
    }

    /// Adds points to their buckets: sorts them by bucket behind what the bucket holds, and adds neighbours pairwise until
    /// one point is left in each.
    fn add(&mut self, entries: &[(u32, u32)], points: Points<'_, F>) {
        let count = self.sums.len();
        self.starts.fill(0);
        for (bucket, _) in entries {
            self.starts[*bucket as usize + 1] += 1;
        }
        let mut longest = 0;
        for bucket in 0..count {
            let own = self.starts[bucket + 1] + !self.sums[bucket].is_infinity() as u32;
            longest = longest.max(own);
            self.starts[bucket + 1] = self.starts[bucket] + own;
        }
        let mut next: Vec<u32> = self.starts[..count].to_vec();
        self.work.clear();
        self.work.resize(self.starts[count] as usize, Affine::INFINITY);
        for (sum, at) in self.sums.iter().zip(&mut next) {
            if !sum.is_infinity() {
                self.work[*at as usize] = *sum;
                *at += 1;
            }
        }
        for &(bucket, entry) in entries {
            let point = points.get((entry & !NEGATIVE) as usize);
            let at = &mut next[bucket as usize];
            self.work[*at as usize] = if entry & NEGATIVE == 0 { point } else { point.negated() };
            *at += 1;
        }
        let mut stride = 1;
        while stride < longest as usize {
            self.halve(stride);
            stride *= 2;
        }
        for bucket in 0..count {
            let (from, to) = (self.starts[bucket] as usize, self.starts[bucket + 1] as usize);
            self.sums[bucket] = if from < to { self.work[from] } else { Affine::INFINITY };
        }
    }

    /// Within each bucket adds the point a stride further on to every second point of the stride.
    fn halve(&mut self, stride: usize) {
        let Buckets { work, products, starts, .. } = self;
        products.clear();
        let mut product = F::ONE;
        for range in starts.windows(2) {
            let (mut at, to) = (range[0] as usize, range[1] as usize);
            while at + stride < to {
                products.push(product);
                product = product.mul(denominator(&work[at], &work[at + stride]));
                at += 2 * stride;
            }
        }
        if products.is_empty() {
            return;
        }
        let mut inverse = product.invert().expect("no denominator is zero");
        let mut left = products.len();
        for range in starts.windows(2).rev() {
            let (from, to) = (range[0] as usize, range[1] as usize);
            let pairs = (to - from + stride - 1) / (2 * stride);
            for pair in (0..pairs).rev() {
                let at = from + 2 * stride * pair;
                left -= 1;
                let own = inverse.mul(products[left]);
                inverse = inverse.mul(denominator(&work[at], &work[at + stride]));
                work[at] = add_with_inverse(&work[at], &work[at + stride], own);
            }
        }
    }

    /// Σ (i+1)·sums[i], by sums of sums from the top.
    fn sum(&self) -> Xyzz<F> {
        let mut running = Xyzz::INFINITY;
        let mut total = Xyzz::INFINITY;
        for bucket in self.sums.iter().rev() {
            running = running.add_affine(bucket);
            total = total.add(&running);
        }
        total
    }
}

/// What must be inverted to add two points; one where nothing must.
#[inline(always)]
pub fn denominator<F: Coordinate>(a: &Affine<F>, b: &Affine<F>) -> F {
    let difference = b.x.sub(a.x);
    if !difference.is_zero() && !a.is_infinity() && !b.is_infinity() {
        return difference;
    }
    // No point of these groups has y = 0, since their order is odd.
    if difference.is_zero() && a.y == b.y && !a.is_infinity() && !a.y.is_zero() { a.y.double() } else { F::ONE }
}

/// a + b, given the inverse of their denominator.
#[inline(always)]
pub fn add_with_inverse<F: Coordinate>(a: &Affine<F>, b: &Affine<F>, inverse: F) -> Affine<F> {
    if a.is_infinity() {
        return *b;
    }
    if b.is_infinity() {
        return *a;
    }
    let slope = if a.x == b.x {
        if a.y != b.y || a.y.is_zero() {
            return Affine::INFINITY;
        }
        let square = a.x.square();
        square.double().add(square).mul(inverse)
    } else {
        b.y.sub(a.y).mul(inverse)
    };
    let x = slope.square().sub(a.x).sub(b.x);
    Affine { x, y: slope.mul(a.x.sub(x)).sub(a.y) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{Field, Fq, Fq2, Fr};

    fn points<F: Coordinate>(count: usize) -> Vec<Affine<F>> {
        let mut at = Xyzz::from_affine(&F::generator());
        (0..count)
            .map(|i| {
                at = if i % 5 == 4 { at } else { at.double().add_affine(&F::generator()) };
                // Infinity, repeated points and opposite ones are among them.
                if i % 11 == 7 { Affine::INFINITY } else if i % 7 == 3 { at.to_affine().negated() } else { at.to_affine() }
            })
            .collect()
    }

    fn scalars(count: usize) -> Vec<[u64; 4]> {
        let r_minus = |n: u64| subtract(&ScalarModulus::P, &[n, 0, 0, 0]).0;
        let mut x = Fr::from_u64(5);
        (0..count)
            .map(|i| {
                x = x.square().add(Fr::from_u64(i as u64));
                match i % 9 {
                    0 => [0; 4],
                    1 | 2 => [1, 0, 0, 0],
                    3 => r_minus(1),
                    4 => r_minus(x.0[0] >> 40),
                    5 => [x.0[0] >> 30, 0, 0, 0],
                    6 => [u64::MAX, u64::MAX, 0, 0],
                    7 => subtract(&ScalarModulus::P, &[0, 0, 0, 1 << 59]).0,
                    _ => x.to_integer(),
                }
            })
            .collect()
    }

    fn agrees<F: Coordinate>(count: usize) {
        let points = points::<F>(count);
        let scalars = scalars(count);
        let mut bytes = Vec::new();
        for point in &points {
            point.write(&mut bytes);
        }
        let sum = multiply(Points::new(&bytes), &scalars, &Sorted::new(&scalars)).to_affine();
        let expected = scalars.iter().zip(&points).fold(Xyzz::INFINITY, |total, (scalar, point)| total.add(&point.times(scalar)));
        assert_eq!(sum, expected.to_affine());
    }

    #[test]
    fn is_the_sum_of_the_products() {
        for count in [0, 1, 2, 3, 10, 100, 2000] {
            agrees::<Fq>(count);
        }
        agrees::<Fq2>(500);
    }

    #[test]
    fn holds_for_every_width_and_edge() {
        let edges: Vec<[u64; 4]> = (0..254)
            .flat_map(|bit| {
                let mut power = [0; 4];
                power[bit / 64] = 1 << (bit % 64);
                let power = if bit == 253 { [1, 0, 0, 0] } else { power };
                [power, subtract(&ScalarModulus::P, &power).0, subtract(&power, &[1, 0, 0, 0]).0]
            })
            .collect();
        let points = points::<Fq>(edges.len());
        let mut bytes = Vec::new();
        for point in &points {
            point.write(&mut bytes);
        }
        let sorted = Sorted::new(&edges);
        let expected = edges.iter().zip(&points).fold(Xyzz::INFINITY, |total, (scalar, point)| total.add(&point.times(scalar))).to_affine();
        for width in 2..=16 {
            let all = Slice { of: &sorted, from: 0, to: sorted.order.len(), bits: 254 };
            let plan = Plan::with_width(all, &edges, width);
            let total = plan.tasks().iter().rev().fold(Xyzz::INFINITY, |total, task| (0..width).fold(total, |t, _| t.double()).add(&task.run(Points::new(&bytes))));
            assert_eq!(total.to_affine(), expected, "width {width}");
        }
    }
}
