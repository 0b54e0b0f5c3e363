//! `andiron completions SHELL`: what makes the tab key know the tools and their options.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::options::Takes;
use super::{TOOLS, Tool, Words};

/// Print a script that completes the tools and their options: source it in your shell
#[derive(Debug, Args)]
pub(crate) struct Completions {
    shell: Shell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Tool {
    /// (name without dashes, whether a value follows, what it does).
    fn words(&self) -> Vec<(&'static str, bool, &'static str)> {
        match &self.words {
            Words::Options(spec) => {
                spec.all().map(|flag| (flag.name, flag.takes != Takes::Nothing, flag.about)).collect()
            }
            Words::Arguments(parser) => parser.words(),
        }
    }
}

impl Completions {
    /// Prints the script.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        super::print::write(match self.shell {
            Shell::Bash => bash(),
            Shell::Zsh => format!("autoload -U +X bashcompinit && bashcompinit\n{}", bash()),
            Shell::Fish => fish(),
        });
        Ok(ExitCode::SUCCESS)
    }
}

/// One function for all: the tool is the command itself or the word after `andiron`.
fn bash() -> String {
    let names: Vec<&str> = TOOLS.iter().map(|tool| tool.name).collect();
    let names = names.join(" ");
    let mut cases = String::new();
    for tool in TOOLS {
        let words: Vec<String> = tool.words().iter().map(|(name, _, _)| format!("--{name}")).collect();
        cases.push_str(&format!("    {}) words=\"{}\" ;;\n", tool.name, words.join(" ")));
    }
    format!(
        r#"_andiron_tools() {{
  local tool=${{1##*/}} current=${{COMP_WORDS[COMP_CWORD]}} words=
  tool=${{tool%.sh}}
  if [ "$tool" = andiron ]; then
    if [ "$COMP_CWORD" = 1 ]; then
      COMPREPLY=($(compgen -W "serve run tools completions {names}" -- "$current"))
      return
    fi
    tool=${{COMP_WORDS[1]}}
  fi
  case $tool in
{cases}  esac
  case $current in
    -*) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
    *) COMPREPLY=($(compgen -f -- "$current")) ;;
  esac
}}
complete -F _andiron_tools andiron
for tool in {names}; do complete -F _andiron_tools $tool $tool.sh; done
"#
    )
}

fn fish() -> String {
    let mut text = String::new();
    for tool in TOOLS {
        text.push_str(&format!("complete -c andiron -n __fish_use_subcommand -a {}\n", tool.name));
        for (name, takes, about) in tool.words() {
            let about = about.replace('\'', "\\'");
            let value = if takes { " -r" } else { "" };
            for command in [tool.name.to_owned(), format!("{}.sh", tool.name)] {
                text.push_str(&format!("complete -c {command} -l {name}{value} -d '{about}'\n"));
            }
            let seen = format!("-n '__fish_seen_subcommand_from {}'", tool.name);
            text.push_str(&format!("complete -c andiron {seen} -l {name}{value} -d '{about}'\n"));
        }
    }
    text
}
