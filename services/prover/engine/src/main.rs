//! The prover's engine on the command line; `--help` says what it does.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use haca_prover::curve::{G1, G2};
use haca_prover::error::{CPU, Result, USAGE, error};
use haca_prover::field::Fq;
use haca_prover::prove::{Blinding, Proof, prove, public_signals};
use haca_prover::serve::{read_file, serve};
use haca_prover::setup::{Secrets, setup_dev};
use haca_prover::zkey::{Header, Key, inspect, io};

const HELP: &str = "haca-prover: Groth16 over BN254 for snarkjs keys and witnesses

  haca-prover serve     --zkey FILE                      load once, then prove what comes on stdin (see src/serve.rs)
  haca-prover prove     --zkey FILE --wtns FILE          one proof; prints it and the public signals as snarkjs' JSON
                        [--proof FILE] [--public FILE]   or writes them
  haca-prover inspect   --zkey FILE                      what a key is, as JSON
  haca-prover setup-dev --r1cs FILE --zkey FILE          a DEVELOPMENT key: anybody who saw its making can forge
                        [--seed TEXT]                    a reproducible one: anybody can forge
  haca-prover --help | --version

  --threads N           as many as there are processors, where not given
  --check points|none   whether loading asks of every point if it is on its curve; points where not given

Exit codes: 0 done, 1 failed, 2 wrong usage. Errors are one line on stderr: CODE: detail.
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    no_core_dumps();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::from(if e.code == USAGE { 2 } else { 1 })
        }
    }
}

fn run(args: &[String]) -> Result<()> {
    let verb = args.first().map(String::as_str).unwrap_or("--help");
    match verb {
        "--help" | "-h" => return print(HELP),
        "--version" | "-V" => return print(concat!("haca-prover ", env!("CARGO_PKG_VERSION"), "\n")),
        _ => require_processor()?,
    }
    let allowed: &[&str] = match verb {
        "serve" => &["zkey", "threads", "check"],
        "prove" => &["zkey", "wtns", "proof", "public", "threads", "check"],
        "inspect" => &["zkey"],
        "setup-dev" => &["r1cs", "zkey", "seed", "threads"],
        _ => return Err(error(USAGE, format!("there is no verb \"{verb}\"; see --help"))),
    };
    let options = Options::read(&args[1..], allowed)?;
    options.threads()?;
    match verb {
        "serve" => run_serve(&options),
        "prove" => run_prove(&options),
        "inspect" => run_inspect(&options),
        _ => run_setup(&options),
    }
}

fn run_serve(options: &Options) -> Result<()> {
    let began = Instant::now();
    let path = options.path("zkey")?;
    let key = Key::load(&path, options.check()?)?;
    let size = std::fs::metadata(&path).map_err(io(&path))?.len();
    let ready = describe(&key.header, size, Some(began.elapsed().as_millis()));
    serve(&key, &ready, std::io::stdin().lock(), std::io::stdout().lock())
}

fn run_prove(options: &Options) -> Result<()> {
    let key = Key::load(&options.path("zkey")?, options.check()?)?;
    let witness = read_file(&options.path("wtns")?, &key)?;
    let began = Instant::now();
    let proof = prove(&key, &witness, &Blinding::random()?);
    eprintln!("proved in {} ms", began.elapsed().as_millis());
    let signals: Vec<String> = public_signals(&key, &witness).iter().map(|signal| format!("\"{}\"", decimal(*signal))).collect();
    put(options.get("proof"), &proof_json(&proof))?;
    put(options.get("public"), &format!("[{}]\n", signals.join(",")))
}

fn run_inspect(options: &Options) -> Result<()> {
    let (header, size) = inspect(&options.path("zkey")?)?;
    print(&format!("{}\n", describe(&header, size, None)))
}

fn run_setup(options: &Options) -> Result<()> {
    eprintln!("DEVELOPMENT KEY: whoever knows its secrets can forge proofs under it. Never use it where a proof counts.");
    let secrets = match options.get("seed") {
        Some(seed) => {
            eprintln!("ITS SECRETS COME FROM A SEED: ANYBODY CAN FORGE PROOFS UNDER THIS KEY.");
            Secrets::from_seed(seed)
        }
        None => Secrets::random()?,
    };
    let zkey = options.path("zkey")?;
    setup_dev(&options.path("r1cs")?, &zkey, &secrets)?;
    let (header, size) = inspect(&zkey)?;
    print(&format!("{}\n", describe(&header, size, None)))
}

/// What a key is, as one line of JSON.
fn describe(header: &Header, size: u64, load_ms: Option<u128>) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!(
        "{{\"version\":\"{}\",\"label\":\"{}\",\"wires\":{},\"public\":{},\"domain\":{},\"bytes\":{size},\"contributions\":{},\"vkId\":\"0x{}\",\"circuit\":\"{}\"{}}}",
        env!("CARGO_PKG_VERSION"),
        if header.is_dev() { "dev" } else { "ceremony" },
        header.wires,
        header.public,
        1u64 << header.log_domain,
        header.contributions,
        hex(&header.verification_key_id()),
        hex(&header.circuit),
        load_ms.map(|ms| format!(",\"loadMs\":{ms}")).unwrap_or_default(),
    )
}

/// A proof as snarkjs writes it.
fn proof_json(proof: &Proof) -> String {
    let element = |x: Fq| format!("\"{}\"", decimal(x.to_integer()));
    let g1 = |p: &G1| format!("[{},{},\"1\"]", element(p.x), element(p.y));
    let g2 = |p: &G2| format!("[[{},{}],[{},{}],[\"1\",\"0\"]]", element(p.x.c0), element(p.x.c1), element(p.y.c0), element(p.y.c1));
    format!("{{\"pi_a\":{},\"pi_b\":{},\"pi_c\":{},\"protocol\":\"groth16\",\"curve\":\"bn128\"}}\n", g1(&proof.a), g2(&proof.b), g1(&proof.c))
}

fn decimal(mut limbs: [u64; 4]) -> String {
    const PART: u64 = 10u64.pow(19);
    let mut parts = Vec::new();
    while limbs != [0; 4] {
        let mut rest = 0u128;
        for limb in limbs.iter_mut().rev() {
            rest = rest << 64 | *limb as u128;
            (*limb, rest) = ((rest / PART as u128) as u64, rest % PART as u128);
        }
        parts.push(rest as u64);
    }
    match parts.split_last() {
        None => "0".into(),
        Some((first, others)) => others.iter().rev().fold(first.to_string(), |text, part| format!("{text}{part:019}")),
    }
}

struct Options(Vec<(String, String)>);

impl Options {
    fn read(args: &[String], allowed: &[&str]) -> Result<Self> {
        let mut found: Vec<(String, String)> = Vec::new();
        for pair in args.chunks(2) {
            let name = pair[0].strip_prefix("--").filter(|name| allowed.contains(name)).ok_or_else(|| error(USAGE, format!("\"{}\" is not an option here", pair[0])))?;
            let value = pair.get(1).ok_or_else(|| error(USAGE, format!("--{name} has no value")))?;
            if found.iter().any(|(known, _)| known == name) {
                return Err(error(USAGE, format!("--{name} stands twice")));
            }
            found.push((name.to_string(), value.clone()));
        }
        Ok(Options(found))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn path(&self, name: &str) -> Result<PathBuf> {
        self.get(name).map(PathBuf::from).ok_or_else(|| error(USAGE, format!("--{name} is missing")))
    }

    fn check(&self) -> Result<bool> {
        match self.get("check") {
            None | Some("points") => Ok(true),
            Some("none") => Ok(false),
            Some(_) => Err(error(USAGE, "--check is points or none")),
        }
    }

    fn threads(&self) -> Result<()> {
        let Some(text) = self.get("threads") else { return Ok(()) };
        let count = text.parse().ok().filter(|count| (1..=1024).contains(count)).ok_or_else(|| error(USAGE, "--threads is a number from 1 to 1024"))?;
        rayon::ThreadPoolBuilder::new().num_threads(count).build_global().map_err(|e| error(USAGE, e.to_string()))
    }
}

fn put(path: Option<&str>, text: &str) -> Result<()> {
    match path {
        Some(path) => std::fs::write(path, text).map_err(io(Path::new(path))),
        None => print(text),
    }
}

fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Nobody at the other end of a pipe is no failure of ours.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(io(Path::new("stdout"))),
    }
}

/// A dump of this process would hold the witness.
fn no_core_dumps() {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // Safety: the struct lives through the call, which only reads it.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) };
}

#[cfg(all(target_arch = "x86_64", not(feature = "portable")))]
fn require_processor() -> Result<()> {
    if is_x86_feature_detected!("bmi2") && is_x86_feature_detected!("adx") {
        return Ok(());
    }
    Err(error(CPU, "this build multiplies with BMI2 and ADX, which this processor lacks; build with --features portable"))
}

#[cfg(not(all(target_arch = "x86_64", not(feature = "portable"))))]
fn require_processor() -> Result<()> {
    let _ = CPU;
    Ok(())
}
