//! Which output of a net each label of the data stands for, by the classes' names: the place of a name
//! among the data's own is no more than how its folders sort.
//!
//! Unaware of images and of files.

use serde::Serialize;

use crate::error::Invalid;
use cifar::{CLASS_NAMES, CLASSES};

/// Other names of CIFAR-10's classes, in lower case and the singular.
const SYNONYMS: [&[&str]; CLASSES] = [
    &["plane", "aeroplane", "aircraft", "airliner"],
    &["auto", "car", "motorcar"],
    &[],
    &[],
    &[],
    &[],
    &[],
    &[],
    &["boat"],
    &["lorry"],
];

/// The data's classes, matched with a net's outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Matching {
    /// The data's names in the order of the outputs.
    pub classes: Vec<String>,
    /// The net's own names, or CIFAR-10's.
    pub net: Vec<String>,
    pub by: By,
    /// The output for each label of the data.
    outputs: Vec<u8>,
}

/// What the data's classes were matched by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// Equal names, in whatever order.
    Names,
    /// Names that mean the same.
    Synonyms,
    /// Folders that are called 0 to 9, CIFAR-10's labels.
    Labels,
    /// What the user says.
    Option,
}

impl Matching {
    /// Matches the data's classes with the outputs of a net. `net` are its classes, CIFAR-10's if its
    /// weights name none; `asked` are the data's classes in the order of the outputs, as the user
    /// says it.
    ///
    /// # Errors
    /// If a class of the data cannot be told, or `asked` are not the data's classes.
    pub fn of(
        data: &[String],
        net: Option<&[String]>,
        asked: Option<&[String]>,
    ) -> Result<Matching, Invalid> {
        let cifar = CLASS_NAMES.map(str::to_owned);
        let outputs = net.unwrap_or(&cifar);
        if let Some(asked) = asked {
            return Matching::asked(data, outputs, asked);
        }
        // The one class of the data that is the same as each output.
        let find = |same: Same| -> Vec<Option<&str>> {
            let found = outputs.iter().map(|output| {
                let mut found = data.iter().filter(|name| same(output, name));
                let only = found.next().filter(|_| found.next().is_none())?;
                Some(only.as_str())
            });
            found.collect()
        };
        let ways: [(By, Same); 3] = [
            (By::Names, |output, name| output == name),
            (By::Labels, |output, name| {
                number(name).is_some_and(|label| Meaning::of(output) == Meaning::Cifar(label))
            }),
            (By::Synonyms, SYNONYMOUS),
        ];
        let mut found = ways.into_iter();
        found
            .find_map(|(by, same)| Matching::complete(data, outputs, &find(same), by))
            .ok_or_else(|| unknown(data, net, outputs, &find(SYNONYMOUS)))
    }

    /// As the user says.
    fn asked(data: &[String], net: &[String], asked: &[String]) -> Result<Matching, Invalid> {
        if let Some(strange) = asked.iter().find(|name| !data.contains(name)) {
            return Err(Invalid::new(format!(
                "--classes names {strange:?}, which is no class of the data: {}",
                data.join(", ")
            )));
        }
        if let Some(missing) = data.iter().find(|name| !asked.contains(name)) {
            return Err(Invalid::new(format!(
                "--classes does not name {missing:?}: it takes all {CLASSES} classes of the data, each once, in the order of the net's outputs"
            )));
        }
        let found: Vec<Option<&str>> = asked.iter().map(|name| Some(name.as_str())).collect();
        Matching::complete(data, net, &found, By::Option).ok_or_else(|| {
            Invalid::new(format!(
                "--classes names {} classes: it takes {CLASSES}, each once, in the order of the net's outputs",
                asked.len()
            ))
        })
    }

    /// Of the data's class for each output, if all are there, each once.
    fn complete(
        data: &[String],
        net: &[String],
        found: &[Option<&str>],
        by: By,
    ) -> Option<Matching> {
        let classes: Vec<&str> = found.iter().copied().collect::<Option<_>>()?;
        let output = |name: &String| classes.iter().position(|class| class == name);
        let outputs: Vec<usize> = data.iter().map(output).collect::<Option<_>>()?;
        (classes.len() == data.len()).then(|| Matching {
            classes: classes.into_iter().map(str::to_owned).collect(),
            net: net.to_vec(),
            by,
            outputs: outputs.into_iter().map(|output| output as u8).collect(),
        })
    }

    /// The outputs for the data's labels.
    pub fn outputs(&self, labels: &[u8]) -> Vec<u8> {
        labels
            .iter()
            .map(|&label| self.outputs[usize::from(label)])
            .collect()
    }
}

/// Whether an output's name and that of a class of the data are the same class.
type Same = fn(&str, &str) -> bool;

const SYNONYMOUS: Same = |output, name| Meaning::of(output) == Meaning::of(name);

/// What a name means.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Meaning {
    /// A class of CIFAR-10.
    Cifar(usize),
    /// Something else, by its name in lower case.
    Other(String),
}

impl Meaning {
    fn of(name: &str) -> Meaning {
        let name = name.trim().to_lowercase();
        // Numbers before a name are there to sort folders.
        let word = name.trim_start_matches(|c: char| c.is_ascii_digit() || " _-.:".contains(c));
        let is = |word: &str| {
            let mut classes = CLASS_NAMES.iter().zip(SYNONYMS);
            classes.position(|(class, others)| *class == word || others.contains(&word))
        };
        let singular = || is(word.strip_suffix('s')?);
        is(word)
            .or_else(singular)
            .map_or(Meaning::Other(name), Meaning::Cifar)
    }
}

/// The number that is all of a name.
fn number(name: &str) -> Option<usize> {
    let digits = name.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| name.parse().ok()).flatten()
}

/// Says which classes could not be told, and what to type.
fn unknown(
    data: &[String],
    net: Option<&[String]>,
    outputs: &[String],
    found: &[Option<&str>],
) -> Invalid {
    let whose = match net {
        Some(_) => "as its weights name them",
        None => "in CIFAR-10's order, for its weights name none",
    };
    let numbered = data.iter().map(|name| (number(name), name.as_str()));
    let mut numbered: Vec<(Option<usize>, &str)> = numbered.collect();
    numbered.sort_unstable();
    let numbers = numbered.iter().map(|(number, _)| *number);
    let (typed, why): (Vec<&str>, String) = if numbers.eq((1..=CLASSES).map(Some)) {
        let typed = numbered.iter().map(|(_, name)| *name).collect();
        let why = "if they are the outputs, counted from 1";
        (typed, why.to_owned())
    } else {
        let left = data.iter().map(String::as_str);
        let left: Vec<&str> = left.filter(|name| !found.contains(&Some(name))).collect();
        let typed = found.iter().map(|name| name.unwrap_or("?")).collect();
        let why = match left[..] {
            [only] => format!("with {only} in the place of ?, if that is right"),
            _ => format!("with {} in the places of ?", left.join(", ")),
        };
        (typed, why)
    };
    Invalid::new(format!(
        "the data's classes ({}) are not certainly the net's ({}, {whose}): say which is which by the data's classes in the order of the net's: --classes {} ({why})",
        data.join(", "),
        outputs.join(", "),
        quoted(&typed.join(",")),
    ))
}

/// A text as it is typed in a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || ",_-.".contains(c);
    match text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    /// The output of each of the data's classes by its name.
    fn outputs(data: &str, net: Option<&str>) -> (Vec<(String, u8)>, By) {
        let (data, net) = (names(data), net.map(names));
        let matching = Matching::of(&data, net.as_deref(), None).unwrap();
        for (name, &output) in data.iter().zip(&matching.outputs) {
            assert_eq!(&matching.classes[usize::from(output)], name);
        }
        let outputs = data.into_iter().zip(matching.outputs).collect();
        (outputs, matching.by)
    }

    fn refusal(data: &str, net: Option<&str>, asked: Option<&str>) -> String {
        let (data, net, asked) = (names(data), net.map(names), asked.map(names));
        let refused = Matching::of(&data, net.as_deref(), asked.as_deref());
        refused.unwrap_err().to_string()
    }

    #[track_caller]
    fn assert_are_cifars(data: &str, order: [u8; 10], by: By) {
        let (outputs, found) = outputs(data, None);
        let outputs: Vec<u8> = outputs.into_iter().map(|(_, output)| output).collect();
        assert_eq!(outputs, order, "{data}");
        assert_eq!(found, by, "{data}");
    }

    #[test]
    fn cifars_classes_are_known_by_name_whatever_their_order() {
        let order = "airplane automobile bird cat deer dog frog horse ship truck";
        assert_are_cifars(order, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], By::Names);
        let order = "truck ship horse frog dog deer cat bird automobile airplane";
        assert_are_cifars(order, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0], By::Names);
    }

    #[test]
    fn cifars_classes_are_known_by_synonyms_in_any_case_and_with_numbers_before_them() {
        let sorted = "bird car cat deer dog frog horse plane ship truck";
        assert_are_cifars(sorted, [2, 1, 3, 4, 5, 6, 7, 0, 8, 9], By::Synonyms);
        let mixed = "Aeroplane AUTO Birds cats deer Dog frogs HORSE boat lorry";
        assert_are_cifars(mixed, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], By::Synonyms);
        let numbered = "0_airplane 1-Car 02.bird 3cat 4_deer 5_dog 6_frog 7_horse 8_ship 9_truck";
        assert_are_cifars(numbered, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], By::Synonyms);
        // The name counts and not the number.
        let shifted = "1_airplane 10_truck 2_car 3_bird 4_cat 5_deer 6_dog 7_frog 8_horse 9_ship";
        assert_are_cifars(shifted, [0, 9, 1, 2, 3, 4, 5, 6, 7, 8], By::Synonyms);
    }

    #[test]
    fn folders_called_0_to_9_are_labels_and_those_called_1_to_10_are_not() {
        let labels = "0 1 2 3 4 5 6 7 8 9";
        assert_are_cifars(labels, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], By::Labels);
        let padded = "09 08 07 06 05 04 03 02 01 00";
        assert_are_cifars(padded, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0], By::Labels);
        let from_one = refusal("1 10 2 3 4 5 6 7 8 9", None, None);
        assert!(
            from_one.contains("--classes 1,2,3,4,5,6,7,8,9,10 (if"),
            "{from_one}"
        );
        // A net that knows no airplanes has no such labels.
        let net = "a b c d e f g h i j";
        let other = refusal(labels, Some(net), None);
        assert!(other.contains("a, b, c, d, e, f, g, h, i, j, as its weights name them"));
        assert!(other.contains("--classes '?,?,?"), "{other}");
    }

    #[test]
    fn a_nets_own_names_count_whatever_they_are() {
        let net = "zebra yak x-ray wolf vole Unicorn tiger seal ray quail";
        let data = "quail ray seal tiger Unicorn vole wolf x-ray yak zebra";
        let (found, by) = outputs(data, Some(net));
        assert_eq!(by, By::Names);
        assert!(
            found.contains(&("zebra".to_owned(), 0)) && found.contains(&("quail".to_owned(), 9))
        );
        let (found, by) = outputs(&data.to_lowercase(), Some(net));
        assert_eq!(by, By::Synonyms);
        assert!(found.contains(&("unicorn".to_owned(), 5)));
        // Trained on car, evaluated on automobile, and the other way round.
        let cars = "bird car cat deer dog frog horse plane ship truck";
        let cifar = "airplane automobile bird cat deer dog frog horse ship truck";
        assert!(
            outputs(cifar, Some(cars))
                .0
                .contains(&("automobile".to_owned(), 1))
        );
        assert!(
            outputs(cars, Some(cifar))
                .0
                .contains(&("plane".to_owned(), 0))
        );
        // Two names for one class are two classes where the net has both.
        let both = "car automobile c d e f g h i j";
        assert_eq!(outputs(both, Some(both)).1, By::Names);
    }

    #[test]
    fn a_class_that_is_not_the_nets_is_refused_with_what_to_type() {
        let stl = "airplane bird car cat deer dog horse monkey ship truck";
        let said = refusal(stl, None, None);
        assert!(
            said.contains("--classes 'airplane,car,bird,cat,deer,dog,?,horse,ship,truck' (with monkey in the place of ?"),
            "{said}"
        );
        assert!(
            said.contains("CIFAR-10's order, for its weights name none"),
            "{said}"
        );
        let twice = refusal(
            "plane airplane bird cat deer dog frog horse ship truck",
            None,
            None,
        );
        assert!(twice.contains("--classes '?,?,bird,"), "{twice}");
    }

    #[test]
    fn what_the_user_says_counts_if_it_is_all_of_the_datas_classes() {
        let data = "1 10 2 3 4 5 6 7 8 9";
        let asked = names("1 2 3 4 5 6 7 8 9 10");
        let matching = Matching::of(&names(data), None, Some(&asked)).unwrap();
        assert_eq!(matching.classes, asked);
        assert_eq!(matching.outputs(&[0, 1, 2, 9]), [0, 9, 1, 8]);
        assert_eq!(matching.by, By::Option);
        for (asked, said) in [
            ("1 2 3 4 5 6 7 8 9", "does not name \"10\""),
            ("1 2 3 4 5 6 7 8 9 9", "does not name \"10\""),
            ("1 2 3 4 5 6 7 8 9 10 10", "names 11 classes"),
            (
                "1 2 3 4 5 6 7 8 9 ten",
                "names \"ten\", which is no class of the data: 1, 10, 2",
            ),
        ] {
            let refusal = refusal(data, None, Some(asked));
            assert!(refusal.contains(said), "{refusal}");
        }
    }
}
