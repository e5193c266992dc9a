//! Prime fields of 254 bits in Montgomery form with R = 2^256, the form in which snarkjs keys hold them.

use std::fmt;
use std::marker::PhantomData;

/// A prime and what multiplying modulo it needs. The prime's top bit is clear, so that sums of two elements fit four limbs.
pub trait Modulus: Copy + Eq + Send + Sync + 'static {
    /// The prime, and in the fifth word -prime^-1 mod 2^64; limbs lowest first.
    const TABLE: [u64; 5];
    const P: [u64; 4] = [Self::TABLE[0], Self::TABLE[1], Self::TABLE[2], Self::TABLE[3]];
    /// R mod p and R² mod p.
    const R: [u64; 4];
    const R2: [u64; 4];
}

/// Scalars: the order of both groups.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ScalarModulus;

impl Modulus for ScalarModulus {
    const TABLE: [u64; 5] = [0x43e1f593f0000001, 0x2833e84879b97091, 0xb85045b68181585d, 0x30644e72e131a029, 0xc2e1f593efffffff];
    const R: [u64; 4] = [0xac96341c4ffffffb, 0x36fc76959f60cd29, 0x666ea36f7879462e, 0x0e0a77c19a07df2f];
    const R2: [u64; 4] = [0x1bb8e645ae216da7, 0x53fe3ab1e35c59e3, 0x8c49833d53bb8085, 0x0216d0b17f4e44a5];
}

/// Coordinates.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BaseModulus;

impl Modulus for BaseModulus {
    const TABLE: [u64; 5] = [0x3c208c16d87cfd47, 0x97816a916871ca8d, 0xb85045b68181585d, 0x30644e72e131a029, 0x87d20782e4866389];
    const R: [u64; 4] = [0xd35d438dc58f0d9d, 0x0a78eb28f5c70b3d, 0x666ea36f7879462c, 0x0e0a77c19a07df2f];
    const R2: [u64; 4] = [0xf32cfc5b538afa89, 0xb5e71911d44501fb, 0x47ab1eff0a417ff6, 0x06d89f71cab8351f];
}

pub type Fr = Fp<ScalarModulus>;
pub type Fq = Fp<BaseModulus>;

/// An element, always below the prime.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Fp<M>(pub [u64; 4], PhantomData<M>);

/// What curve arithmetic needs of a field of coordinates.
pub trait Field: Copy + Clone + PartialEq + Send + Sync + fmt::Debug + 'static {
    const ZERO: Self;
    const ONE: Self;
    /// Bytes of an element in a key.
    const BYTES: usize;
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn square(self) -> Self;
    fn neg(self) -> Self;
    /// None for zero.
    fn invert(self) -> Option<Self>;
    fn is_zero(self) -> bool;
    /// Reads Montgomery form without asking whether it is below the prime.
    fn read(bytes: &[u8]) -> Self;
    /// Whether the bytes are the one form of an element.
    fn is_canonical(bytes: &[u8]) -> bool;
    /// Writes Montgomery form.
    fn write(self, out: &mut Vec<u8>);
    fn double(self) -> Self {
        self.add(self)
    }
}

impl<M: Modulus> Fp<M> {
    pub const fn new(limbs: [u64; 4]) -> Self {
        Fp(limbs, PhantomData)
    }

    /// The element of an integer below the prime.
    pub fn from_integer(limbs: [u64; 4]) -> Self {
        Self::new(limbs).mul(Self::new(M::R2))
    }

    pub fn from_u64(value: u64) -> Self {
        Self::from_integer([value, 0, 0, 0])
    }

    /// The integer below the prime.
    pub fn to_integer(self) -> [u64; 4] {
        self.mul(Self::new([1, 0, 0, 0])).0
    }

    /// An element from 64 uniform bytes; the bias is below 2^-250.
    pub fn from_wide(bytes: &[u8; 64]) -> Self {
        let part = |at: usize| Self::new(reduce::<M>(limbs_of(&bytes[at..at + 32])));
        // low·R2/R + high·R2·R2/R² = low·R + high·2^256·R in Montgomery form.
        let r2 = Self::new(M::R2);
        part(0).mul(r2).add(part(32).mul(r2).mul(r2))
    }

    pub fn pow(self, exponent: &[u64]) -> Self {
        let mut out = Self::ONE;
        for limb in exponent.iter().rev() {
            for bit in (0..64).rev() {
                out = out.square();
                if (limb >> bit) & 1 == 1 {
                    out = out.mul(self);
                }
            }
        }
        out
    }
}

/// Four limbs of 32 little-endian bytes.
#[inline(always)]
pub fn limbs_of(bytes: &[u8]) -> [u64; 4] {
    let bytes: &[u8; 32] = bytes[..32].try_into().unwrap();
    std::array::from_fn(|i| u64::from_le_bytes(bytes[8 * i..8 * i + 8].try_into().unwrap()))
}

/// Whether a < b.
#[inline(always)]
pub fn less(a: &[u64; 4], b: &[u64; 4]) -> bool {
    subtract(a, b).1
}

/// a - b modulo 2^256, and whether it borrowed.
#[inline(always)]
pub fn subtract(a: &[u64; 4], b: &[u64; 4]) -> ([u64; 4], bool) {
    let mut out = [0; 4];
    let mut borrow = false;
    for i in 0..4 {
        (out[i], borrow) = a[i].borrowing_sub_with(b[i], borrow);
    }
    (out, borrow)
}

/// a + b modulo 2^256.
#[inline(always)]
pub fn add_limbs(a: &[u64; 4], b: &[u64; 4]) -> [u64; 4] {
    let mut out = [0; 4];
    let mut carry = false;
    for i in 0..4 {
        let (sum, first) = a[i].overflowing_add(b[i]);
        let (sum, second) = sum.overflowing_add(carry as u64);
        (out[i], carry) = (sum, first | second);
    }
    out
}

trait Borrowing {
    fn borrowing_sub_with(self, other: Self, borrow: bool) -> (Self, bool)
    where
        Self: Sized;
}

impl Borrowing for u64 {
    #[inline(always)]
    fn borrowing_sub_with(self, other: u64, borrow: bool) -> (u64, bool) {
        let (difference, first) = self.overflowing_sub(other);
        let (difference, second) = difference.overflowing_sub(borrow as u64);
        (difference, first | second)
    }
}

/// Subtracts the prime where the limbs are not below it; for limbs below twice the prime.
#[inline(always)]
fn once<M: Modulus>(limbs: [u64; 4]) -> [u64; 4] {
    let (reduced, borrow) = subtract(&limbs, &M::P);
    if borrow { limbs } else { reduced }
}

/// Any 256-bit integer modulo the prime, which goes into 2^256 five times.
fn reduce<M: Modulus>(mut limbs: [u64; 4]) -> [u64; 4] {
    while !less(&limbs, &M::P) {
        limbs = subtract(&limbs, &M::P).0;
    }
    limbs
}

impl<M: Modulus> Field for Fp<M> {
    const ZERO: Self = Fp::new([0; 4]);
    const ONE: Self = Fp::new(M::R);
    const BYTES: usize = 32;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Fp::new(once::<M>(add_limbs(&self.0, &other.0)))
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        let (difference, borrow) = subtract(&self.0, &other.0);
        let mask = (borrow as u64).wrapping_neg();
        Fp::new(add_limbs(&difference, &M::P.map(|limb| limb & mask)))
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Fp::new(once::<M>(multiply::<M>(&self.0, &other.0)))
    }

    #[inline(always)]
    fn square(self) -> Self {
        self.mul(self)
    }

    #[inline(always)]
    fn neg(self) -> Self {
        Self::ZERO.sub(self)
    }

    fn invert(self) -> Option<Self> {
        if self.is_zero() {
            return None;
        }
        // Fermat: some 380 multiplications, which batches share.
        Some(self.pow(&subtract(&M::P, &[2, 0, 0, 0]).0))
    }

    #[inline(always)]
    fn is_zero(self) -> bool {
        self.0 == [0; 4]
    }

    #[inline(always)]
    fn read(bytes: &[u8]) -> Self {
        Fp::new(limbs_of(bytes))
    }

    fn is_canonical(bytes: &[u8]) -> bool {
        less(&limbs_of(bytes), &M::P)
    }

    fn write(self, out: &mut Vec<u8>) {
        for limb in self.0 {
            out.extend_from_slice(&limb.to_le_bytes());
        }
    }
}

/// a·b/R, below twice the prime. Both factors are below the prime, whose top bits are clear, so five limbs never carry out.
#[cfg(all(target_arch = "x86_64", not(feature = "portable")))]
#[inline(always)]
fn multiply<M: Modulus>(a: &[u64; 4], b: &[u64; 4]) -> [u64; 4] {
    let (r0, r1, r2, r3): (u64, u64, u64, u64);
    // Safety: reads four limbs at a and b and five at the table, writes registers only; `main` has made sure of BMI2 and ADX.
    unsafe {
        std::arch::asm!(
            // t = a·b[0]
            "mov rdx, [{b}]",
            "mulx {t1}, {t0}, [{a}]",
            "mulx {t2}, {lo}, [{a} + 8]",
            "add {t1}, {lo}",
            "mulx {t3}, {lo}, [{a} + 16]",
            "adc {t2}, {lo}",
            "mulx {hi}, {lo}, [{a} + 24]",
            "adc {t3}, {lo}",
            "adc {hi}, 0",
            // t = (t + m·p) / 2^64, two carry chains beside one another
            "mov rdx, {t0}",
            "imul rdx, [{p} + 32]",
            "xor {lo:e}, {lo:e}",
            "mulx {t4}, {lo}, [{p}]",
            "adcx {lo}, {t0}",
            "mov {t0}, {t4}",
            "adcx {t0}, {t1}",
            "mulx {t1}, {lo}, [{p} + 8]",
            "adox {t0}, {lo}",
            "adcx {t1}, {t2}",
            "mulx {t2}, {lo}, [{p} + 16]",
            "adox {t1}, {lo}",
            "adcx {t2}, {t3}",
            "mulx {t3}, {lo}, [{p} + 24]",
            "adox {t2}, {lo}",
            "mov {lo:e}, 0",
            "adcx {t3}, {lo}",
            "adox {t3}, {hi}",
            // t += a·b[1]
            "mov rdx, [{b} + 8]",
            "xor {lo:e}, {lo:e}",
            "mulx {hi}, {lo}, [{a}]",
            "adox {t0}, {lo}",
            "adcx {t1}, {hi}",
            "mulx {hi}, {lo}, [{a} + 8]",
            "adox {t1}, {lo}",
            "adcx {t2}, {hi}",
            "mulx {hi}, {lo}, [{a} + 16]",
            "adox {t2}, {lo}",
            "adcx {t3}, {hi}",
            "mulx {hi}, {lo}, [{a} + 24]",
            "adox {t3}, {lo}",
            "mov {lo:e}, 0",
            "adcx {hi}, {lo}",
            "adox {hi}, {lo}",
            "mov rdx, {t0}",
            "imul rdx, [{p} + 32]",
            "xor {lo:e}, {lo:e}",
            "mulx {t4}, {lo}, [{p}]",
            "adcx {lo}, {t0}",
            "mov {t0}, {t4}",
            "adcx {t0}, {t1}",
            "mulx {t1}, {lo}, [{p} + 8]",
            "adox {t0}, {lo}",
            "adcx {t1}, {t2}",
            "mulx {t2}, {lo}, [{p} + 16]",
            "adox {t1}, {lo}",
            "adcx {t2}, {t3}",
            "mulx {t3}, {lo}, [{p} + 24]",
            "adox {t2}, {lo}",
            "mov {lo:e}, 0",
            "adcx {t3}, {lo}",
            "adox {t3}, {hi}",
            // t += a·b[2]
            "mov rdx, [{b} + 16]",
            "xor {lo:e}, {lo:e}",
            "mulx {hi}, {lo}, [{a}]",
            "adox {t0}, {lo}",
            "adcx {t1}, {hi}",
            "mulx {hi}, {lo}, [{a} + 8]",
            "adox {t1}, {lo}",
            "adcx {t2}, {hi}",
            "mulx {hi}, {lo}, [{a} + 16]",
            "adox {t2}, {lo}",
            "adcx {t3}, {hi}",
            "mulx {hi}, {lo}, [{a} + 24]",
            "adox {t3}, {lo}",
            "mov {lo:e}, 0",
            "adcx {hi}, {lo}",
            "adox {hi}, {lo}",
            "mov rdx, {t0}",
            "imul rdx, [{p} + 32]",
            "xor {lo:e}, {lo:e}",
            "mulx {t4}, {lo}, [{p}]",
            "adcx {lo}, {t0}",
            "mov {t0}, {t4}",
            "adcx {t0}, {t1}",
            "mulx {t1}, {lo}, [{p} + 8]",
            "adox {t0}, {lo}",
            "adcx {t1}, {t2}",
            "mulx {t2}, {lo}, [{p} + 16]",
            "adox {t1}, {lo}",
            "adcx {t2}, {t3}",
            "mulx {t3}, {lo}, [{p} + 24]",
            "adox {t2}, {lo}",
            "mov {lo:e}, 0",
            "adcx {t3}, {lo}",
            "adox {t3}, {hi}",
            // t += a·b[3]
            "mov rdx, [{b} + 24]",
            "xor {lo:e}, {lo:e}",
            "mulx {hi}, {lo}, [{a}]",
            "adox {t0}, {lo}",
            "adcx {t1}, {hi}",
            "mulx {hi}, {lo}, [{a} + 8]",
            "adox {t1}, {lo}",
            "adcx {t2}, {hi}",
            "mulx {hi}, {lo}, [{a} + 16]",
            "adox {t2}, {lo}",
            "adcx {t3}, {hi}",
            "mulx {hi}, {lo}, [{a} + 24]",
            "adox {t3}, {lo}",
            "mov {lo:e}, 0",
            "adcx {hi}, {lo}",
            "adox {hi}, {lo}",
            "mov rdx, {t0}",
            "imul rdx, [{p} + 32]",
            "xor {lo:e}, {lo:e}",
            "mulx {t4}, {lo}, [{p}]",
            "adcx {lo}, {t0}",
            "mov {t0}, {t4}",
            "adcx {t0}, {t1}",
            "mulx {t1}, {lo}, [{p} + 8]",
            "adox {t0}, {lo}",
            "adcx {t1}, {t2}",
            "mulx {t2}, {lo}, [{p} + 16]",
            "adox {t1}, {lo}",
            "adcx {t2}, {t3}",
            "mulx {t3}, {lo}, [{p} + 24]",
            "adox {t2}, {lo}",
            "mov {lo:e}, 0",
            "adcx {t3}, {lo}",
            "adox {t3}, {hi}",
            a = in(reg) a.as_ptr(),
            b = in(reg) b.as_ptr(),
            p = in(reg) M::TABLE.as_ptr(),
            t0 = out(reg) r0,
            t1 = out(reg) r1,
            t2 = out(reg) r2,
            t3 = out(reg) r3,
            t4 = out(reg) _,
            hi = out(reg) _,
            lo = out(reg) _,
            out("rdx") _,
            options(pure, readonly, nostack),
        );
    }
    [r0, r1, r2, r3]
}

#[cfg(not(all(target_arch = "x86_64", not(feature = "portable"))))]
#[inline(always)]
fn multiply<M: Modulus>(a: &[u64; 4], b: &[u64; 4]) -> [u64; 4] {
    multiply_portably::<M>(a, b)
}

/// The same in plain Rust.
#[cfg_attr(all(target_arch = "x86_64", not(feature = "portable")), allow(dead_code))]
#[inline(always)]
fn multiply_portably<M: Modulus>(a: &[u64; 4], b: &[u64; 4]) -> [u64; 4] {
    let mac = |base: u64, x: u64, y: u64, carry: u64| {
        let wide = base as u128 + x as u128 * y as u128 + carry as u128;
        (wide as u64, (wide >> 64) as u64)
    };
    let mut t = [0u64; 4];
    for &factor in b {
        let (low, mut carry) = mac(t[0], a[0], factor, 0);
        let m = low.wrapping_mul(M::TABLE[4]);
        let (_, mut reduction) = mac(low, m, M::P[0], 0);
        for j in 1..4 {
            let (sum, next) = mac(t[j], a[j], factor, carry);
            carry = next;
            (t[j - 1], reduction) = mac(sum, m, M::P[j], reduction);
        }
        t[3] = carry + reduction;
    }
    t
}

impl<M: Modulus> zeroize::Zeroize for Fp<M> {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

impl<M: Modulus> fmt::Debug for Fp<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.to_integer();
        write!(f, "0x{d:016x}{c:016x}{b:016x}{a:016x}")
    }
}

/// Coordinates of G2: c0 + c1·u with u² = -1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Fq2 {
    pub c0: Fq,
    pub c1: Fq,
}

impl Field for Fq2 {
    const ZERO: Self = Fq2 { c0: Fq::ZERO, c1: Fq::ZERO };
    const ONE: Self = Fq2 { c0: Fq::ONE, c1: Fq::ZERO };
    const BYTES: usize = 64;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Fq2 { c0: self.c0.add(other.c0), c1: self.c1.add(other.c1) }
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Fq2 { c0: self.c0.sub(other.c0), c1: self.c1.sub(other.c1) }
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        let low = self.c0.mul(other.c0);
        let high = self.c1.mul(other.c1);
        let cross = self.c0.add(self.c1).mul(other.c0.add(other.c1));
        Fq2 { c0: low.sub(high), c1: cross.sub(low).sub(high) }
    }

    #[inline(always)]
    fn square(self) -> Self {
        Fq2 { c0: self.c0.add(self.c1).mul(self.c0.sub(self.c1)), c1: self.c0.double().mul(self.c1) }
    }

    #[inline(always)]
    fn neg(self) -> Self {
        Fq2 { c0: self.c0.neg(), c1: self.c1.neg() }
    }

    fn invert(self) -> Option<Self> {
        let norm = self.c0.square().add(self.c1.square()).invert()?;
        Some(Fq2 { c0: self.c0.mul(norm), c1: self.c1.neg().mul(norm) })
    }

    #[inline(always)]
    fn is_zero(self) -> bool {
        self.c0.is_zero() && self.c1.is_zero()
    }

    #[inline(always)]
    fn read(bytes: &[u8]) -> Self {
        Fq2 { c0: Fq::read(&bytes[..32]), c1: Fq::read(&bytes[32..64]) }
    }

    fn is_canonical(bytes: &[u8]) -> bool {
        Fq::is_canonical(&bytes[..32]) && Fq::is_canonical(&bytes[32..64])
    }

    fn write(self, out: &mut Vec<u8>) {
        self.c0.write(out);
        self.c1.write(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ff::{BigInteger, PrimeField};

    /// Elements that meet the edges of limbs and of the prime, and pseudo-random ones.
    fn samples<M: Modulus>() -> Vec<Fp<M>> {
        let below = |by: u64| subtract(&M::P, &[by, 0, 0, 0]).0;
        let mut out: Vec<Fp<M>> = [[0; 4], [1, 0, 0, 0], [u64::MAX, 0, 0, 0], [0, 0, 0, 1 << 61], M::R, M::R2, below(1), below(2), [u64::MAX, u64::MAX, u64::MAX, 1 << 60]].map(Fp::new).to_vec();
        let mut x = Fp::<M>::from_u64(7);
        for _ in 0..50 {
            x = x.square().add(Fp::from_u64(0x9e3779b97f4a7c15));
            out.push(x);
        }
        out
    }

    fn check<M: Modulus, A: PrimeField>() {
        let theirs = |x: Fp<M>| A::from_le_bytes_mod_order(&x.to_integer().iter().flat_map(|limb| limb.to_le_bytes()).collect::<Vec<_>>());
        let same = |ours: Fp<M>, reference: A| {
            let bytes = reference.into_bigint().to_bytes_le();
            assert_eq!(ours.to_integer(), limbs_of(&bytes));
            assert!(less(&ours.0, &M::P));
        };
        for a in samples::<M>() {
            same(a, theirs(a));
            same(a.neg(), -theirs(a));
            same(a.square(), theirs(a).square());
            assert_eq!(a.invert().map(|inverse| inverse.mul(a)), (!a.is_zero()).then_some(Fp::ONE));
            for b in samples::<M>() {
                same(a.add(b), theirs(a) + theirs(b));
                same(a.sub(b), theirs(a) - theirs(b));
                same(a.mul(b), theirs(a) * theirs(b));
                assert_eq!(multiply::<M>(&a.0, &b.0), multiply_portably::<M>(&a.0, &b.0));
            }
        }
    }

    #[test]
    fn scalars_agree_with_arkworks() {
        check::<ScalarModulus, ark_bn254::Fr>();
    }

    #[test]
    fn coordinates_agree_with_arkworks() {
        check::<BaseModulus, ark_bn254::Fq>();
    }

    #[test]
    fn wide_bytes_reduce_as_integers_do() {
        let mut bytes = [0u8; 64];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = (i * 37 + 11) as u8;
        }
        for bytes in [bytes, [0xff; 64], [0; 64]] {
            let reference = ark_bn254::Fr::from_le_bytes_mod_order(&bytes);
            assert_eq!(Fr::from_wide(&bytes).to_integer(), limbs_of(&reference.into_bigint().to_bytes_le()));
        }
    }

    #[test]
    fn quadratic_extension_is_a_field() {
        let elements: Vec<Fq2> = samples::<BaseModulus>().windows(2).map(|pair| Fq2 { c0: pair[0], c1: pair[1] }).collect();
        for &a in &elements {
            assert_eq!(a.square(), a.mul(a));
            if !a.is_zero() {
                assert_eq!(a.mul(a.invert().unwrap()), Fq2::ONE);
            }
            for &b in &elements[..5] {
                assert_eq!(a.mul(b), b.mul(a));
                assert_eq!(a.mul(b.add(Fq2::ONE)), a.mul(b).add(a));
            }
        }
    }
}
