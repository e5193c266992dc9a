//! The whole engine on a small circuit: keys, witnesses, proofs, and everything that is none of these.

use std::path::{Path, PathBuf};
use std::process::Command;

use ark_bn254::Bn254;
use ark_ec::pairing::Pairing;
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::PrimeField;

use haca_prover::error::Error;
use haca_prover::field::{Field, Fr, Modulus, ScalarModulus};
use haca_prover::prove::{Blinding, Proof, prove};
use haca_prover::serve::{FAILED, PROVE_BYTES, PROVE_PATH, PROVED, READY, serve};
use haca_prover::setup::{Secrets, setup_dev};
use haca_prover::wtns;
use haca_prover::zkey::{Header, Key, inspect};

type Side = Vec<(u32, Fr)>;

struct Circuit {
    wires: u32,
    public: u32,
    constraints: Vec<[Side; 3]>,
    witness: Vec<Fr>,
}

/// x is public too: y = x^(2^steps) + 3, with every square a wire of its own, and bits and negative numbers beside.
fn powers(steps: u32) -> Circuit {
    let one = Fr::ONE;
    let x = Fr::from_u64(3);
    let mut witness = vec![one, Fr::ZERO, x, x.neg()];
    let mut constraints = vec![[vec![], vec![], vec![(2, one), (3, one)]]];
    let mut last = 2;
    for _ in 0..steps {
        let square = witness[last as usize].square();
        witness.push(square);
        let next = witness.len() as u32 - 1;
        constraints.push([vec![(last, one)], vec![(last, one)], vec![(next, one)]]);
        witness.push(one);
        constraints.push([vec![(next + 1, one)], vec![(0, one), (next + 1, one.neg())], vec![]]);
        last = next;
    }
    witness[1] = witness[last as usize].add(Fr::from_u64(3));
    constraints.push([vec![(0, one)], vec![(last, one), (0, Fr::from_u64(3))], vec![(1, one)]]);
    Circuit { wires: witness.len() as u32, public: 2, constraints, witness }
}

fn container(magic: &[u8; 4], version: u32, sections: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut out = magic.to_vec();
    out.extend(version.to_le_bytes());
    out.extend((sections.len() as u32).to_le_bytes());
    for (kind, content) in sections {
        out.extend(kind.to_le_bytes());
        out.extend((content.len() as u64).to_le_bytes());
        out.extend(content);
    }
    out
}

fn words(limbs: [u64; 4]) -> Vec<u8> {
    limbs.iter().flat_map(|limb| limb.to_le_bytes()).collect()
}

fn r1cs_file(circuit: &Circuit) -> Vec<u8> {
    let mut header = [32u32.to_le_bytes().to_vec(), words(ScalarModulus::P)].concat();
    for number in [circuit.wires, circuit.public, 0, circuit.wires - 1 - circuit.public] {
        header.extend(number.to_le_bytes());
    }
    header.extend((circuit.wires as u64).to_le_bytes());
    header.extend((circuit.constraints.len() as u32).to_le_bytes());
    let mut body = Vec::new();
    for side in circuit.constraints.iter().flatten() {
        body.extend((side.len() as u32).to_le_bytes());
        for (wire, coefficient) in side {
            body.extend(wire.to_le_bytes());
            body.extend(words(coefficient.to_integer()));
        }
    }
    container(b"r1cs", 1, &[(1, header), (2, body), (3, vec![0; 8 * circuit.wires as usize])])
}

fn wtns_file(witness: &[Fr]) -> Vec<u8> {
    let header = [32u32.to_le_bytes().to_vec(), words(ScalarModulus::P), (witness.len() as u32).to_le_bytes().to_vec()].concat();
    container(b"wtns", 2, &[(1, header), (2, witness.iter().flat_map(|wire| words(wire.to_integer())).collect())])
}

struct Made {
    folder: PathBuf,
    zkey: PathBuf,
    wtns: Vec<u8>,
    circuit: Circuit,
}

impl Drop for Made {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn make(name: &str, steps: u32) -> Made {
    let folder = std::env::temp_dir().join(format!("haca-prover-test-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let circuit = powers(steps);
    let (r1cs, zkey) = (folder.join("c.r1cs"), folder.join("c.zkey"));
    std::fs::write(&r1cs, r1cs_file(&circuit)).unwrap();
    setup_dev(&r1cs, &zkey, &Secrets::from_seed("test")).unwrap();
    let wtns = wtns_file(&circuit.witness);
    std::fs::write(folder.join("c.wtns"), &wtns).unwrap();
    Made { folder, zkey, wtns, circuit }
}

fn g1(bytes: &[u8]) -> ark_bn254::G1Affine {
    ark_bn254::G1Affine::new(ark_bn254::Fq::from_be_bytes_mod_order(&bytes[..32]), ark_bn254::Fq::from_be_bytes_mod_order(&bytes[32..]))
}

fn g2(bytes: &[u8]) -> ark_bn254::G2Affine {
    let part = |i: usize| ark_bn254::Fq::from_be_bytes_mod_order(&bytes[32 * i..32 * i + 32]);
    ark_bn254::G2Affine::new(ark_bn254::Fq2::new(part(1), part(0)), ark_bn254::Fq2::new(part(3), part(2)))
}

/// The verifier's equation by arkworks: e(A, B) = e(alpha, beta)·e(IC, gamma)·e(C, delta).
fn verifies(header: &Header, proof: &[u8], signals: &[[u64; 4]]) -> bool {
    let key = header.verification_key();
    let scalar = |limbs: &[u64; 4]| ark_bn254::Fr::from_le_bytes_mod_order(&words(*limbs));
    let inputs: Vec<_> = key[64 + 3 * 128..].chunks(64).map(g1).collect();
    let input = signals.iter().zip(&inputs[1..]).fold(inputs[0].into_group(), |sum, (signal, point)| sum + *point * scalar(signal));
    let left = Bn254::pairing(g1(&proof[..64]), g2(&proof[64..192]));
    let right = Bn254::multi_pairing(
        [g1(&key[..64]), input.into_affine(), g1(&proof[192..])],
        [g2(&key[64..192]), g2(&key[192..320]), g2(&key[320..448])],
    );
    left == right
}

fn proof_of(key: &Key, witness: &[u8]) -> Result<Proof, Error> {
    let witness = wtns::read(witness, key.header.wires)?;
    Ok(prove(key, &witness, &Blinding::random()?))
}

fn signals(circuit: &Circuit) -> Vec<[u64; 4]> {
    circuit.witness[1..=circuit.public as usize].iter().map(|x| x.to_integer()).collect()
}

#[test]
fn proofs_verify_for_circuits_of_many_sizes() {
    for steps in [1, 2, 3, 7, 30, 200] {
        let made = make(&format!("sizes-{steps}"), steps);
        let key = Key::load(&made.zkey, true).unwrap();
        let proof = proof_of(&key, &made.wtns).unwrap().to_bytes();
        assert!(verifies(&key.header, &proof, &signals(&made.circuit)), "{steps} steps");
        let mut others = signals(&made.circuit);
        others[1][0] ^= 1;
        assert!(!verifies(&key.header, &proof, &others), "another signal");
        assert_ne!(proof[..], proof_of(&key, &made.wtns).unwrap().to_bytes()[..], "two proofs share no randomness");
    }
}

#[test]
fn a_witness_that_breaks_a_constraint_proves_nothing() {
    let made = make("broken", 5);
    let key = Key::load(&made.zkey, true).unwrap();
    for wire in 1..made.circuit.wires as usize {
        let mut witness = made.circuit.witness.clone();
        witness[wire] = witness[wire].add(Fr::ONE);
        let proof = proof_of(&key, &wtns_file(&witness)).unwrap().to_bytes();
        let claimed: Vec<_> = witness[1..=2].iter().map(|x| x.to_integer()).collect();
        assert!(!verifies(&key.header, &proof, &claimed), "wire {wire}");
    }
}

#[test]
fn a_seed_gives_one_key_and_says_what_it_is() {
    let made = make("seed", 4);
    let again = made.folder.join("again.zkey");
    let r1cs = made.folder.join("c.r1cs");
    setup_dev(&r1cs, &again, &Secrets::from_seed("test")).unwrap();
    assert_eq!(std::fs::read(&made.zkey).unwrap(), std::fs::read(&again).unwrap());
    setup_dev(&r1cs, &again, &Secrets::random().unwrap()).unwrap();
    assert_ne!(std::fs::read(&made.zkey).unwrap(), std::fs::read(&again).unwrap());
    for path in [&made.zkey, &again] {
        assert!(inspect(path).unwrap().0.is_dev());
    }
}

/// Every cut and a flip of every bit of every byte that is not a point or coefficient: refused, or harmless, and no panic.
#[test]
fn damaged_keys_are_refused_or_give_proofs_that_do_not_verify() {
    let made = make("damage", 2);
    let good = std::fs::read(&made.zkey).unwrap();
    let path = made.folder.join("damaged.zkey");
    let reference = inspect(&made.zkey).unwrap().0;
    let mut refused = 0;
    let mut attempt = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        match Key::load(&path, true) {
            Err(e) => {
                assert!(e.code.starts_with("zkey."), "{e}");
                refused += 1;
            }
            Ok(key) => {
                if let Ok(proof) = proof_of(&key, &made.wtns) {
                    let proof = proof.to_bytes();
                    let same = key.header.verification_key() == reference.verification_key();
                    let circuit = key.header.circuit != reference.circuit || key.header.contributions != reference.contributions;
                    assert!(circuit || !same || !verifies(&reference, &proof, &signals(&made.circuit)));
                }
            }
        }
    };
    for length in (0..good.len()).step_by(37).chain(0..100) {
        attempt(&good[..length]);
    }
    for at in (0..good.len()).filter(|at| *at < 200 || at % 31 == 0) {
        for bit in [0, 7] {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            // A witness may not use a point: its wire is zero. Those in this circuit are not.
            attempt(&bytes);
        }
    }
    assert!(refused > 300, "{refused} refused");
}

#[test]
fn damaged_witnesses_are_refused() {
    let made = make("witness", 2);
    let key = Key::load(&made.zkey, true).unwrap();
    let code = |bytes: &[u8]| proof_of(&key, bytes).err().map(|e| e.code);
    for length in 0..made.wtns.len() {
        assert_eq!(code(&made.wtns[..length]), Some("wtns.malformed"), "cut at {length}");
    }
    assert_eq!(code(&[made.wtns.clone(), vec![0]].concat()), Some("wtns.malformed"));
    assert_eq!(code(&wtns_file(&made.circuit.witness[1..])), Some("wtns.wrong-circuit"));
    let mut first = made.circuit.witness.clone();
    first[0] = Fr::from_u64(2);
    assert_eq!(code(&wtns_file(&first)), Some("wtns.malformed"));
    let mut large = made.wtns.clone();
    let at = large.len() - 32;
    large[at..].copy_from_slice(&words(ScalarModulus::P));
    assert_eq!(code(&large), Some("wtns.malformed"));
}

#[test]
fn damaged_circuits_are_refused() {
    let made = make("r1cs", 1);
    let good = r1cs_file(&made.circuit);
    let (r1cs, zkey) = (made.folder.join("bad.r1cs"), made.folder.join("bad.zkey"));
    let attempt = |bytes: &[u8]| {
        std::fs::write(&r1cs, bytes).unwrap();
        setup_dev(&r1cs, &zkey, &Secrets::from_seed("x")).err().map(|e| e.code)
    };
    for length in 0..good.len() {
        assert_eq!(attempt(&good[..length]), Some("r1cs.malformed"), "cut at {length}");
    }
    for at in (0..good.len()).filter(|at| *at < 100 || at % 23 == 0) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x80;
        let _ = attempt(&bytes);
    }
    assert!(std::fs::read_dir(&made.folder).unwrap().all(|entry| !entry.unwrap().file_name().to_string_lossy().contains("partial")));
}

fn frame(kind: u8, id: u64, payload: &[u8]) -> Vec<u8> {
    [&((9 + payload.len()) as u32).to_be_bytes()[..], &[kind], &id.to_be_bytes(), payload].concat()
}

fn frames(mut bytes: &[u8]) -> Vec<(u8, u64, Vec<u8>)> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let length = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
        out.push((bytes[4], u64::from_be_bytes(bytes[5..13].try_into().unwrap()), bytes[13..4 + length].to_vec()));
        bytes = &bytes[4 + length..];
    }
    out
}

#[test]
fn a_warm_process_answers_what_it_is_asked_and_survives_nonsense() {
    let made = make("serve", 3);
    let key = Key::load(&made.zkey, true).unwrap();
    let path = made.folder.join("c.wtns");
    let requests = [
        frame(PROVE_BYTES, 7, &made.wtns),
        frame(PROVE_PATH, 8, path.to_str().unwrap().as_bytes()),
        frame(PROVE_BYTES, 9, b"nonsense"),
        frame(PROVE_PATH, 10, b"/nowhere/at/all"),
        frame(77, 11, b""),
        frame(PROVE_BYTES, 12, &vec![0; 1 << 16]),
        frame(PROVE_BYTES, 13, &made.wtns),
    ]
    .concat();
    let mut output = Vec::new();
    serve(&key, "{}", &requests[..], &mut output).unwrap();
    let answers = frames(&output);
    assert_eq!((answers[0].0, answers[0].1, &answers[0].2[..]), (READY, 0, &b"{}"[..]));
    for i in [1, 2, 7] {
        let (kind, _, payload) = &answers[i];
        assert_eq!(*kind, PROVED);
        assert_eq!(payload.len(), 256 + 4 + 4 + 64);
        assert!(verifies(&key.header, &payload[..256], &signals(&made.circuit)));
    }
    let codes: Vec<_> = answers[3..7].iter().map(|(kind, id, payload)| (*kind, *id, String::from_utf8_lossy(&payload[1..1 + payload[0] as usize]).into_owned())).collect();
    assert_eq!(codes, [(9, "wtns.malformed"), (10, "io.failed"), (11, "request.malformed"), (12, "request.malformed")].map(|(id, code)| (FAILED, id, code.to_string())));
    assert!(serve(&key, "{}", &frame(PROVE_BYTES, 1, b"x")[..6], &mut Vec::new()).is_err());
    assert!(serve(&key, "{}", &[0u8, 0, 0, 1, 1][..], &mut Vec::new()).is_err());
}

fn run(args: &[&str]) -> (i32, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_haca-prover")).args(args).output().unwrap();
    (out.status.code().unwrap(), String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap())
}

#[test]
fn the_command_line_has_stable_answers() {
    let made = make("cli", 3);
    let at = |name: &str| made.folder.join(name).to_str().unwrap().to_string();
    let text = |path: &str| std::fs::read_to_string(Path::new(path)).unwrap();
    assert_eq!(run(&["--version"]).0, 0);
    assert!(run(&["--help"]).1.contains("setup-dev"));
    for wrong in [&["dance"][..], &["prove"], &["prove", "--zkey"], &["prove", "--colour", "red"], &["serve", "--zkey", "a", "--check", "maybe"], &["inspect", "--zkey", "a", "--zkey", "b"]] {
        assert_eq!(run(wrong).0, 2, "{wrong:?}");
    }
    let (code, _, stderr) = run(&["inspect", "--zkey", "/nowhere"]);
    assert_eq!((code, stderr.starts_with("io.failed: ")), (1, true));
    let (code, stdout, stderr) = run(&["setup-dev", "--r1cs", &at("c.r1cs"), "--zkey", &at("d.zkey"), "--seed", "s"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("ANYBODY CAN FORGE") && stdout.contains("\"label\":\"dev\""));
    let (code, _, stderr) = run(&["prove", "--zkey", &at("d.zkey"), "--wtns", &at("c.wtns"), "--proof", &at("proof.json"), "--public", &at("public.json"), "--threads", "1"]);
    assert_eq!(code, 0, "{stderr}");
    // 3^(2^3) + 3 = 6564, and x = 3.
    assert_eq!(text(&at("public.json")).trim(), "[\"6564\",\"3\"]");
    assert!(text(&at("proof.json")).contains("\"pi_b\":[["));
}
