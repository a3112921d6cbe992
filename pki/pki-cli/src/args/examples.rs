//! Examples in the help, so that they can be copied from any terminal: no line is wrapped on its way to the screen.

use std::mem;

use clap::Command;

/// Columns that every terminal has.
const WIDTH: usize = 80;
/// Before a command, and before the rest of one.
const INDENT: &str = "  ";
const REST: &str = "      ";
/// How a line says that there is a next one.
const GOES_ON: &str = " \\";

/// The command and all below it, their examples in lines that fit.
pub fn in_short_lines(command: Command) -> Command {
    let help = command.get_after_help().map(|text| text.to_string());
    let command = match help {
        Some(text) => command.after_help(text.lines().map(folded).collect::<Vec<_>>().join("\n")),
        None => command,
    };
    command.mut_subcommands(in_short_lines)
}

/// One line; a command that is too long goes on in others.
fn folded(line: &str) -> String {
    let is_command = line.strip_prefix(INDENT).is_some_and(|rest| !rest.starts_with(' ') && rest.contains("bitaqa-"));
    if !is_command || line.chars().count() <= WIDTH {
        return line.to_owned();
    }
    let (mut lines, mut current) = (Vec::new(), String::new());
    for part in parts(line.trim_start()) {
        let wanted = current.chars().count() + 1 + part.chars().count() + GOES_ON.len();
        match current.is_empty() {
            true => current = format!("{INDENT}{part}"),
            false if wanted > WIDTH => lines.push(mem::replace(&mut current, format!("{REST}{part}"))),
            false => current = format!("{current} {part}"),
        }
    }
    lines.push(current);
    lines.join(&format!("{GOES_ON}\n"))
}

/// Words, an option with its value; what stands in quotation marks is one.
fn parts(text: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match parts.last_mut() {
            Some(last) if is_open(last) || (is_bare_option(last) && !word.starts_with('-')) => {
                last.push(' ');
                last.push_str(word);
            }
            _ => parts.push(word.to_owned()),
        }
    }
    parts
}

fn is_open(part: &str) -> bool {
    part.matches('\'').count() % 2 == 1 || part.matches('"').count() % 2 == 1
}

fn is_bare_option(part: &str) -> bool {
    part.starts_with("--") && !part.contains([' ', '='])
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Arguments;

    fn helps(command: &Command) -> Vec<String> {
        let own = command.get_after_help().map(|text| text.to_string());
        own.into_iter().chain(command.get_subcommands().flat_map(helps)).collect()
    }

    #[test]
    fn no_example_of_the_help_is_wrapped_and_each_is_what_was_written() {
        let (written, shown) = (helps(&Arguments::command()), helps(&in_short_lines(Arguments::command())));
        assert!(written.len() > 20);
        assert_eq!(shown.iter().map(|help| help.replace(" \\\n      ", " ")).collect::<Vec<_>>(), written);
        let mut commands = shown.iter().flat_map(|help| help.lines()).filter(|line| line.contains("bitaqa-"));
        let indented = commands.clone().filter(|line| line.starts_with(INDENT)).count();
        assert!(indented > 20);
        assert!(commands.all(|line| !line.starts_with(INDENT) || line.chars().count() <= WIDTH));
        assert!(shown.iter().any(|help| help.contains(GOES_ON)), "no example is long: this can go");
    }

    #[test]
    fn an_option_stays_with_its_value_and_a_quotation_whole() {
        let line = format!("  bitaqa-pki verb {} --name 'a long name of many words' --last", "x".repeat(40));
        let expected =
            format!("  bitaqa-pki verb {} \\\n      --name 'a long name of many words' --last", "x".repeat(40));
        assert_eq!(folded(&line), expected);
    }
}
