//! A command of the agent's own configuration.

use whither_model::Invalid;

/// Most arguments, the program included.
const ARGUMENTS_MAX: usize = 64;
/// Longest argument.
const ARGUMENT_BYTES_MAX: usize = 4096;

/// A program and its arguments, run as they are: no shell reads them.
///
/// Its exit code is the result: 0 passing, 1 warning, anything else, or a signal, critical (the convention of Consul, and
/// of Nagios for the first two). It gets an environment with `PATH` and `LANG` alone, `/` as its directory, nothing to
/// read, and a process group of its own, which is killed as a whole when the time is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exec {
    argv: Box<[Box<str>]>,
}

impl Exec {
    /// The command `argv`; the first is the program.
    ///
    /// # Errors
    /// [`Invalid`] if there is no program, or an argument that no system would pass on.
    pub fn new<S: AsRef<str>>(argv: &[S]) -> Result<Self, Invalid> {
        let argv: Box<[Box<str>]> = argv.iter().map(|argument| argument.as_ref().into()).collect();
        if argv.first().is_none_or(|program| program.is_empty()) {
            return Err(Invalid::new("argv", "names no program"));
        }
        if argv.len() > ARGUMENTS_MAX {
            return Err(Invalid::new("argv", format!("has {} entries; at most {ARGUMENTS_MAX}", argv.len())));
        }
        for (at, argument) in argv.iter().enumerate() {
            if argument.len() > ARGUMENT_BYTES_MAX || argument.contains('\0') {
                let problem = format!("is longer than {ARGUMENT_BYTES_MAX} bytes or contains a zero byte");
                return Err(Invalid::new(format!("argv[{at}]"), problem));
            }
        }
        Ok(Self { argv })
    }

    pub(crate) fn program(&self) -> &str {
        &self.argv[0]
    }

    pub(crate) fn arguments(&self) -> impl Iterator<Item = &str> {
        self.argv[1..].iter().map(|argument| &**argument)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_names_a_program() {
        let field = |argv: &[&str]| Exec::new(argv).unwrap_err().field;
        assert_eq!(field(&[]), "argv");
        assert_eq!(field(&["", "-c"]), "argv");
        assert_eq!(field(&["a", "b\0c"]), "argv[1]");
        assert_eq!(field(&["a"; ARGUMENTS_MAX + 1]), "argv");
        assert_eq!(Exec::new(&["a", "b c"]).unwrap().arguments().collect::<Vec<_>>(), ["b c"]);
    }
}
