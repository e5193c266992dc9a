//! BN254's two groups: points y² = x³ + b with affine and extended Jacobian (XYZZ) coordinates.

use crate::field::{BaseModulus, Field, Fq, Fq2, Modulus, limbs_of};

/// A group by its field of coordinates.
pub trait Coordinate: Field {
    /// The curve's b.
    fn b() -> Self;
    /// The generator of EIP-197.
    fn generator() -> Affine<Self>;
}

impl Coordinate for Fq {
    fn b() -> Self {
        Fq::from_u64(3)
    }

    fn generator() -> Affine<Self> {
        Affine { x: Fq::ONE, y: Fq::from_u64(2) }
    }
}

impl Coordinate for Fq2 {
    /// 3 / (9 + u).
    fn b() -> Self {
        let nine = Fq2 { c0: Fq::from_u64(9), c1: Fq::ONE };
        Fq2 { c0: Fq::from_u64(3), c1: Fq::ZERO }.mul(nine.invert().expect("9 + u is not zero"))
    }

    fn generator() -> Affine<Self> {
        let element = |limbs| Fq::from_integer(limbs);
        Affine {
            x: Fq2 {
                c0: element([0x46debd5cd992f6ed, 0x674322d4f75edadd, 0x426a00665e5c4479, 0x1800deef121f1e76]),
                c1: element([0x97e485b7aef312c2, 0xf1aa493335a9e712, 0x7260bfb731fb5d25, 0x198e9393920d483a]),
            },
            y: Fq2 {
                c0: element([0x4ce6cc0166fa7daa, 0xe3d1e7690c43d37b, 0x4aab71808dcb408f, 0x12c85ea5db8c6deb]),
                c1: element([0x55acdadcd122975b, 0xbc4b313370b38ef3, 0xec9e99ad690c3395, 0x090689d0585ff075]),
            },
        }
    }
}

/// A point, or infinity as (0, 0), which is on neither curve.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Affine<F> {
    pub x: F,
    pub y: F,
}

pub type G1 = Affine<Fq>;
pub type G2 = Affine<Fq2>;

impl<F: Coordinate> Affine<F> {
    pub const INFINITY: Self = Affine { x: F::ZERO, y: F::ZERO };
    pub const BYTES: usize = 2 * F::BYTES;

    #[inline(always)]
    pub fn is_infinity(&self) -> bool {
        self.x.is_zero() && self.y.is_zero()
    }

    #[inline(always)]
    pub fn negated(self) -> Self {
        Affine { x: self.x, y: self.y.neg() }
    }

    /// Reads a point of a key without checking it.
    #[inline(always)]
    pub fn read(bytes: &[u8]) -> Self {
        Affine { x: F::read(&bytes[..F::BYTES]), y: F::read(&bytes[F::BYTES..Self::BYTES]) }
    }

    /// Reads a point of a key: coordinates below the prime, and on the curve or infinity.
    pub fn read_checked(bytes: &[u8]) -> Option<Self> {
        let canonical = F::is_canonical(&bytes[..F::BYTES]) && F::is_canonical(&bytes[F::BYTES..Self::BYTES]);
        let point = Self::read(bytes);
        (canonical && (point.is_infinity() || point.is_on_curve(F::b()))).then_some(point)
    }

    #[inline(always)]
    pub fn is_on_curve(&self, b: F) -> bool {
        self.y.square() == self.x.square().mul(self.x).add(b)
    }

    pub fn write(self, out: &mut Vec<u8>) {
        self.x.write(out);
        self.y.write(out);
    }

    /// scalar·self; the scalar is a plain integer. Time depends on it.
    pub fn times(self, scalar: &[u64; 4]) -> Xyzz<F> {
        let mut out = Xyzz::INFINITY;
        for limb in scalar.iter().rev() {
            for bit in (0..64).rev() {
                out = out.double();
                if (limb >> bit) & 1 == 1 {
                    out = out.add_affine(&self);
                }
            }
        }
        out
    }
}

/// (X, Y, ZZ, ZZZ) stands for (X/ZZ, Y/ZZZ), with ZZ³ = ZZZ²; infinity has ZZ = 0.
/// Formulas: hyperelliptic.org/EFD/g1p/auto-shortw-xyzz.html
#[derive(Clone, Copy, Debug)]
pub struct Xyzz<F> {
    x: F,
    y: F,
    zz: F,
    zzz: F,
}

impl<F: Coordinate> Xyzz<F> {
    pub const INFINITY: Self = Xyzz { x: F::ZERO, y: F::ZERO, zz: F::ZERO, zzz: F::ZERO };

    #[inline(always)]
    pub fn is_infinity(&self) -> bool {
        self.zz.is_zero()
    }

    pub fn from_affine(point: &Affine<F>) -> Self {
        if point.is_infinity() { Self::INFINITY } else { Xyzz { x: point.x, y: point.y, zz: F::ONE, zzz: F::ONE } }
    }

    pub fn double(&self) -> Self {
        if self.is_infinity() {
            return *self;
        }
        let u = self.y.double();
        let v = u.square();
        let w = u.mul(v);
        let s = self.x.mul(v);
        let m = self.x.square();
        let m = m.double().add(m);
        let x = m.square().sub(s.double());
        Xyzz { x, y: m.mul(s.sub(x)).sub(w.mul(self.y)), zz: v.mul(self.zz), zzz: w.mul(self.zzz) }
    }

    pub fn add_affine(&self, other: &Affine<F>) -> Self {
        if other.is_infinity() {
            return *self;
        }
        if self.is_infinity() {
            return Self::from_affine(other);
        }
        let p = other.x.mul(self.zz).sub(self.x);
        let r = other.y.mul(self.zzz).sub(self.y);
        self.join(p, r, self.x, self.y, F::ONE, F::ONE)
    }

    pub fn add(&self, other: &Self) -> Self {
        if other.is_infinity() {
            return *self;
        }
        if self.is_infinity() {
            return *other;
        }
        let u = self.x.mul(other.zz);
        let s = self.y.mul(other.zzz);
        let p = other.x.mul(self.zz).sub(u);
        let r = other.y.mul(self.zzz).sub(s);
        self.join(p, r, u, s, other.zz, other.zzz)
    }

    /// The end of both additions: `p` and `r` are the differences of x and y over the common denominators.
    #[inline(always)]
    fn join(&self, p: F, r: F, u: F, s: F, zz: F, zzz: F) -> Self {
        if p.is_zero() {
            return if r.is_zero() { self.double() } else { Self::INFINITY };
        }
        let pp = p.square();
        let ppp = p.mul(pp);
        let q = u.mul(pp);
        let x = r.square().sub(ppp).sub(q.double());
        let y = r.mul(q.sub(x)).sub(s.mul(ppp));
        Xyzz { x, y, zz: self.zz.mul(zz).mul(pp), zzz: self.zzz.mul(zzz).mul(ppp) }
    }

    pub fn to_affine(&self) -> Affine<F> {
        // 1/ZZZ gives 1/Z = ZZ/ZZZ, and so 1/ZZ.
        match self.zzz.invert() {
            None => Affine::INFINITY,
            Some(inverse) => {
                let z = self.zz.mul(inverse);
                Affine { x: self.x.mul(z.square()), y: self.y.mul(inverse) }
            }
        }
    }
}

/// Whether a point of G2's curve has the groups' order; the curve has points of other orders.
pub fn in_subgroup(point: &G2) -> bool {
    point.times(&crate::field::ScalarModulus::P).is_infinity()
}

/// 64 big-endian bytes, as EVM precompiles take them.
pub fn g1_bytes(point: &G1) -> [u8; 64] {
    let mut out = [0; 64];
    out[..32].copy_from_slice(&big_endian(&point.x.to_integer()));
    out[32..].copy_from_slice(&big_endian(&point.y.to_integer()));
    out
}

/// 128 big-endian bytes: x.c1, x.c0, y.c1, y.c0, as EVM precompiles take them.
pub fn g2_bytes(point: &G2) -> [u8; 128] {
    let mut out = [0; 128];
    for (i, part) in [point.x.c1, point.x.c0, point.y.c1, point.y.c0].iter().enumerate() {
        out[32 * i..32 * i + 32].copy_from_slice(&big_endian(&part.to_integer()));
    }
    out
}

pub fn big_endian(limbs: &[u64; 4]) -> [u8; 32] {
    let mut out = [0; 32];
    for (i, limb) in limbs.iter().rev().enumerate() {
        out[8 * i..8 * i + 8].copy_from_slice(&limb.to_be_bytes());
    }
    out
}

/// Whether 32 little-endian bytes are the base field's prime; keys of other curves have another.
pub fn is_base_prime(bytes: &[u8]) -> bool {
    limbs_of(bytes) == BaseModulus::P
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{Fr, ScalarModulus, subtract};

    fn laws<F: Coordinate>() {
        let g = F::generator();
        assert!(g.is_on_curve(F::b()));
        let times = |n: u64| g.times(&[n, 0, 0, 0]).to_affine();
        assert_eq!(times(0), Affine::INFINITY);
        assert_eq!(Xyzz::from_affine(&g).double().to_affine(), times(2));
        assert_eq!(Xyzz::from_affine(&g).add_affine(&g).to_affine(), times(2));
        assert_eq!(Xyzz::from_affine(&g).add_affine(&g.negated()).to_affine(), Affine::INFINITY);
        assert_eq!(g.times(&[5, 0, 0, 0]).add(&g.times(&[7, 0, 0, 0])).to_affine(), times(12));
        assert_eq!(g.times(&[6, 0, 0, 0]).add(&g.times(&[6, 0, 0, 0])).to_affine(), times(12));
        assert!(g.times(&ScalarModulus::P).is_infinity());
        assert_eq!(g.times(&subtract(&ScalarModulus::P, &[1, 0, 0, 0]).0).to_affine(), g.negated());
        for n in 1..20 {
            assert!(times(n).is_on_curve(F::b()));
        }
        let mut bytes = Vec::new();
        times(9).write(&mut bytes);
        assert_eq!(Affine::<F>::read_checked(&bytes), Some(times(9)));
        bytes[0] ^= 1;
        assert_eq!(Affine::<F>::read_checked(&bytes), None);
        assert_eq!(Affine::<F>::read_checked(&vec![0; Affine::<F>::BYTES]), Some(Affine::INFINITY));
        assert_eq!(Affine::<F>::read_checked(&vec![0xff; Affine::<F>::BYTES]), None);
    }

    #[test]
    fn g1_is_a_group() {
        laws::<Fq>();
    }

    #[test]
    fn g2_is_a_group() {
        laws::<Fq2>();
    }

    #[test]
    fn points_agree_with_arkworks() {
        use ark_ec::{AffineRepr, CurveGroup};
        use ark_ff::{BigInteger, PrimeField};
        let mut scalar = Fr::from_u64(3);
        for _ in 0..10 {
            scalar = scalar.square().add(Fr::from_u64(12_345));
            let integer = scalar.to_integer();
            let theirs = ark_bn254::Fr::from_le_bytes_mod_order(&integer.iter().flat_map(|limb| limb.to_le_bytes()).collect::<Vec<_>>());
            let g1 = (ark_bn254::G1Affine::generator() * theirs).into_affine();
            let g2 = (ark_bn254::G2Affine::generator() * theirs).into_affine();
            let be = |x: ark_bn254::Fq| x.into_bigint().to_bytes_be();
            assert_eq!(g1_bytes(&Fq::generator().times(&integer).to_affine()).to_vec(), [be(g1.x), be(g1.y)].concat());
            assert_eq!(g2_bytes(&Fq2::generator().times(&integer).to_affine()).to_vec(), [be(g2.x.c1), be(g2.x.c0), be(g2.y.c1), be(g2.y.c0)].concat());
        }
    }

    #[test]
    fn finds_a_point_outside_the_subgroup() {
        assert!(in_subgroup(&Fq2::generator()));
        // The twist's points are mostly outside: take x = 1, 2, … until x³ + b is a square.
        let square_root = |a: Fq2| -> Option<Fq2> {
            // Norm method for q ≡ 3 mod 4: with n = √(c0² + c1²), √a = √((c0 + n)/2) + c1/(2·that)·u.
            let exponent = {
                let mut e = BaseModulus::P;
                e[0] += 1;
                [e[0] >> 2 | e[1] << 62, e[1] >> 2 | e[2] << 62, e[2] >> 2 | e[3] << 62, e[3] >> 2]
            };
            let root = |x: Fq| Some(x.pow(&exponent)).filter(|y| y.square() == x);
            let n = root(a.c0.square().add(a.c1.square()))?;
            let half = Fq::from_u64(2).invert()?;
            let c0 = root(a.c0.add(n).mul(half)).or_else(|| root(a.c0.sub(n).mul(half)))?;
            let y = Fq2 { c0, c1: a.c1.mul(half).mul(c0.invert()?) };
            (y.square() == a).then_some(y)
        };
        let point = (1..100)
            .find_map(|n| {
                let x = Fq2 { c0: Fq::from_u64(n), c1: Fq::ZERO };
                square_root(x.square().mul(x).add(Fq2::b())).map(|y| Affine { x, y })
            })
            .expect("half of all x have a point");
        assert!(point.is_on_curve(Fq2::b()));
        assert!(!in_subgroup(&point));
    }
}
