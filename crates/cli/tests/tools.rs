//! Pipes against the tools whose names and options they have, on input at random.

use std::io::Write;
use std::process::{Command, Stdio};

use rumline_cli::Pipeline;

/// Inputs tried; each costs a process.
const INPUTS: u64 = 10_000;

struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % end
    }

    fn one_of<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

const WORDS: &[&str] = &[
    "bgp",
    "ospf",
    "Ethernet1/1",
    "10",
    "9",
    "-3",
    "vlan",
    "a,b",
    "x=1",
    "",
    "0.5",
    "BGP",
    "up",
    "10.0.0.1",
];
const BLANKS: &[&str] = &[" ", " ", "  ", "\t", ","];
const PATTERNS: &[&str] = &[
    "bgp",
    "o",
    "^v",
    "1$",
    "a|b",
    "(up|vlan) *",
    "[0-9]+",
    "^$",
    ".",
    "x=",
    "E.*1",
    "1/1",
    "b{2}|g",
    "^[^ ]+ ",
    "[[:upper:]]",
    "p$|^1",
];

fn text(chance: &mut Chance) -> String {
    let mut text = String::new();
    for _ in 0..chance.below(9) {
        for _ in 0..chance.below(5) {
            text.push_str(chance.one_of(WORDS));
            text.push_str(chance.one_of(BLANKS));
        }
        text.push_str(chance.one_of(WORDS));
        text.push('\n');
    }
    text
}

/// A pipe, and the same as arguments of a tool.
fn pipe(chance: &mut Chance) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let push = |words: &mut Vec<String>, word: &str| words.push(word.to_owned());
    match chance.below(5) {
        0 => {
            push(&mut words, "grep");
            push(&mut words, "-E");
            for _ in 0..chance.below(3) {
                let option =
                    ["-i", "-v", "-c", "-n", "-w", "-x", "-A1", "-B2", "-C1", "-iv", "-nA2"];
                let option = chance.one_of(&option);
                push(&mut words, option);
            }
            let pattern = chance.one_of(PATTERNS);
            push(&mut words, pattern);
        }
        1 => {
            push(&mut words, "cut");
            if chance.below(3) == 0 {
                push(&mut words, "-c");
            } else {
                let delimiter = chance.one_of(&[" ", ",", "=", "1"]);
                words.push(format!("-d{delimiter}"));
                if chance.below(3) == 0 {
                    push(&mut words, "-s");
                }
                push(&mut words, "-f");
            }
            let list = chance.one_of(&["1", "2", "1,3", "2-", "-2", "2-3", "1,2,4-", "3,1"]);
            push(&mut words, list);
        }
        2 => {
            push(&mut words, "sort");
            for option in ["-r", "-n", "-u", "-f"] {
                // Case and numbers together have rules of their own.
                if chance.below(3) == 0 && !(option == "-f" && words.contains(&"-n".to_owned())) {
                    push(&mut words, option);
                }
            }
            if chance.below(3) == 0 {
                let separator = chance.one_of(&["-t,", "-t=", "-t1"]);
                push(&mut words, separator);
            }
            if chance.below(2) == 0 {
                let key = chance.one_of(&["-k1", "-k2", "-k1,1", "-k2,2", "-k2,3", "-k 3"]);
                words.extend(key.split(' ').map(str::to_owned));
            }
        }
        3 => {
            push(&mut words, "uniq");
            for option in ["-c", "-d", "-u", "-i"] {
                if chance.below(4) == 0 {
                    push(&mut words, option);
                }
            }
        }
        _ => {
            push(&mut words, "wc");
            for option in ["-l", "-w", "-c"] {
                if chance.below(3) == 0 {
                    push(&mut words, option);
                }
            }
        }
    }
    words
}

fn tool(words: &[String], input: &str) -> String {
    let mut child = Command::new(&words[0])
        .args(&words[1..])
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", words[0]));
    let mut stdin = child.stdin.take().expect("it is piped");
    // One that has read enough may be gone.
    let _gone = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("it ran");
    String::from_utf8(output.stdout).expect("it is text")
}

#[test]
fn pipes_do_what_the_tools_of_their_names_do() {
    for seed in 0..INPUTS {
        let mut chance = Chance(seed);
        let (input, words) = (text(&mut chance), pipe(&mut chance));
        let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        let line = format!("show x | {} {}", words[0], quoted[1..].join(" "));
        // The pattern of grep goes to the end of the line: its options are not quoted.
        let line = if words[0] == "grep" {
            let (pattern, options) = words.split_last().expect("a pattern");
            format!("show x | {} '{pattern}'", options.join(" "))
        } else {
            line
        };
        let pipeline = Pipeline::parse(&line).unwrap_or_else(|error| panic!("{line}: {error:?}"));
        let own = pipeline.pipes[0].apply(&input, None);
        assert_eq!(own, tool(&words, &input), "seed {seed}: {line}\non {input:?}");
    }
}
