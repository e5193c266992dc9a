//! The same proof by arkworks' transforms and multi-scalar multiplication, beside ours, for the record:
//!
//!   RUSTFLAGS='-C target-cpu=native' cargo run --release --example arkworks -- KEY.zkey WITNESS.wtns [rounds]

use std::path::Path;
use std::time::Instant;

use ark_bn254::{Fq, Fq2, Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::VariableBaseMSM;
use ark_ff::{BigInt, FftField, PrimeField};
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};

use haca_prover::curve::{Affine, Coordinate};
use haca_prover::field::Fq as OurFq;
use haca_prover::msm::Points;
use haca_prover::prove::{Blinding, prove};
use haca_prover::serve::read_file;
use haca_prover::zkey::Key;

fn coordinate(x: OurFq) -> Fq {
    Fq::new_unchecked(BigInt(x.0))
}

fn points<F: Coordinate, P>(from: Points<'_, F>, count: usize, of: impl Fn(Affine<F>) -> P) -> Vec<P> {
    (0..count).map(|i| of(from.get(i))).collect()
}

fn g1(p: Affine<OurFq>) -> G1Affine {
    if p.is_infinity() { G1Affine::identity() } else { G1Affine::new_unchecked(coordinate(p.x), coordinate(p.y)) }
}

fn g2(p: Affine<haca_prover::field::Fq2>) -> G2Affine {
    let pair = |x: haca_prover::field::Fq2| Fq2::new(coordinate(x.c0), coordinate(x.c1));
    if p.is_infinity() { G2Affine::identity() } else { G2Affine::new_unchecked(pair(p.x), pair(p.y)) }
}

/// User time of this process in seconds: on a busy machine it says more than the clock.
fn cpu() -> f64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // Safety: the call fills the struct it is given.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    usage.ru_utime.tv_sec as f64 + usage.ru_utime.tv_usec as f64 * 1e-6
}

fn timed<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let (began, used) = (Instant::now(), cpu());
    let out = run();
    println!("{what}: {:.3} s, {:.3} s of CPU", began.elapsed().as_secs_f64(), cpu() - used);
    out
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let key = Key::load(Path::new(&args[1]), false).expect("a key");
    let witness = read_file(Path::new(&args[2]), &key).expect("a witness");
    let rounds = args.get(3).map_or(2, |n| n.parse().expect("a number"));
    let (n, wires, private) = (key.domain(), key.header.wires, 1 + key.header.public);

    let a = points(key.points_a(), wires, g1);
    let b1 = points(key.points_b1(), wires, g1);
    let b2 = points(key.points_b2(), wires, g2);
    let c = points(key.points_c(), wires - private, g1);
    let h = points(key.points_h(), n, g1);
    let scalars: Vec<_> = witness.iter().map(|limbs| BigInt(*limbs)).collect();
    let domain = Radix2EvaluationDomain::<Fr>::new(n).expect("a domain");
    let coset = domain.get_coset(Fr::get_root_of_unity(2 * n as u64).expect("a root")).expect("a coset");

    for _ in 0..rounds {
        let _ = timed("ours", || prove(&key, &witness, &Blinding::random().expect("randomness")));
        let _ = timed("arkworks", || {
            let size = Fr::from(n as u64);
            let rows = |matrix| -> Vec<Fr> { (0..n).map(|row| Fr::new_unchecked(BigInt(key.row(matrix, row, &witness).0)) * size).collect() };
            let (mut x, mut y) = (rows(0), rows(1));
            let mut z: Vec<Fr> = x.iter().zip(&y).map(|(x, y)| *x * y).collect();
            for values in [&mut x, &mut y, &mut z] {
                domain.ifft_in_place(values);
                coset.fft_in_place(values);
            }
            let quotient: Vec<_> = x.iter().zip(&y).zip(&z).map(|((x, y), z)| (*x * y - z).into_bigint()).collect();
            (
                G1Projective::msm_bigint(&a, &scalars),
                G1Projective::msm_bigint(&b1, &scalars),
                G2Projective::msm_bigint(&b2, &scalars),
                G1Projective::msm_bigint(&c, &scalars[private..]),
                G1Projective::msm_bigint(&h, &quotient),
            )
        });
    }
}
