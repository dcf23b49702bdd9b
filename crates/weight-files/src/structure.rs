//! Finds the layers of a net whose names are in no scheme, by what cannot be otherwise: the
//! shapes say which stage a convolution is in and the roles ("weight", "running_mean") what a
//! tensor is; a batch normalisation belongs to the convolution that stands nearest by name; the
//! blocks follow each other in the order of the names. Where that leaves a choice, it is an error.
//!
//! Unaware of files. It cannot see whether a net of these shapes computes something else with
//! them (the accuracy shows).

use std::cmp::Ordering;
use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};

use super::census::{census, place_of};
use super::names::{Listing, Mapping, any_shortcut, shorten};
use nn::architecture::{ConvLayer, LINEAR, MAX_N, NAMES};

/// What tensors are called in PyTorch's layers and in those of others, by PyTorch's word.
const ROLES: [(&str, &str); 9] = [
    ("running_mean", "running_mean"),
    ("moving_mean", "running_mean"),
    ("running_var", "running_var"),
    ("moving_variance", "running_var"),
    ("moving_var", "running_var"),
    ("weight", "weight"),
    ("gamma", "weight"),
    ("bias", "bias"),
    ("beta", "bias"),
];

/// What to do about a choice that the names leave: where the shapes are a net's, so that names help.
const ADVICE: &str =
    "save them under fig6's names (conv1, bn1, layer1.0.conv1, layer1.0.bn1, ..., fc)";

/// Most tensors of a net, and most bytes of a name worth looking at: pairing is not linear.
const MAX_TENSORS: usize = 5 * (6 * MAX_N as usize + 3) + 2;
const MAX_NAME: usize = 200;

/// A piece of a name: names are cut at what is neither letter nor digit, and around numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Token {
    Number(u64),
    Word(String),
}

/// The tensors of a layer: those whose names differ only in the role.
struct LayerTensors<'a> {
    name: &'a str,
    tokens: Vec<Token>,
    /// PyTorch's word for the role, the tensor's name and its shape, sorted.
    parts: Vec<(&'static str, &'a str, &'a [usize])>,
    /// Where it stands in the file, if the file keeps an order.
    rank: Option<usize>,
    /// Filters of a convolution or channels of a batch normalisation.
    width: usize,
}

impl LayerTensors<'_> {
    fn weight(&self) -> &[usize] {
        let weight = self.parts.iter().find(|(role, ..)| *role == "weight");
        weight.map_or(&[], |(_, _, shape)| shape)
    }
}

/// A convolution and its batch normalisation.
type Pair<'a> = (LayerTensors<'a>, LayerTensors<'a>);

/// A pair and where it stands.
type Placed<'a> = (ConvLayer, Pair<'a>);

/// The net that the tensors make.
///
/// # Errors
/// If they make none, or it is not certain which tensor is which.
pub fn deduce(seen: &Listing) -> Result<Mapping> {
    ensure!(
        seen.len() <= MAX_TENSORS && seen.keys().all(|name| name.len() <= MAX_NAME),
        "it holds {} tensors, or names of more than {MAX_NAME} bytes: that is no net of the paper",
        seen.len()
    );
    let mut left_over = Vec::new();
    let (mut convs, mut norms, mut linears) = (Vec::new(), Vec::new(), Vec::new());
    for mut tensors in layers(seen, &mut left_over) {
        let parts: Vec<_> = tensors.parts.iter().map(|part| (part.0, part.2)).collect();
        match parts[..] {
            [("weight", &[filters, _, high, wide])] if high == wide => {
                tensors.width = filters;
                convs.push(tensors);
            }
            [
                ("bias", &[bias]),
                ("running_mean", &[mean]),
                ("running_var", &[var]),
                ("weight", &[weight]),
            ] if [bias, mean, var] == [weight; 3] => {
                tensors.width = weight;
                norms.push(tensors);
            }
            [("bias", bias), ("weight", weight)] if weight == LINEAR && bias == &LINEAR[..1] => {
                linears.push(tensors);
            }
            _ => left_over.extend(tensors.parts.iter().map(|(_, name, _)| (*name).to_owned())),
        }
    }
    ensure!(
        left_over.is_empty(),
        "these are left over, for they belong to no convolution without bias, no batch \
         normalisation and no layer of {LINEAR:?} weights: {}",
        shorten(&left_over, ", ")
    );
    let [linear] = &linears[..] else {
        let count = linears.len();
        bail!("it holds {count} fully connected layers of {LINEAR:?} weights, not one");
    };
    let shapes: Vec<_> = convs
        .iter()
        .map(|tensors| (tensors.name, tensors.weight()))
        .collect();
    let widths: Vec<usize> = norms.iter().map(|tensors| tensors.width).collect();
    let (n, projections) = census(&shapes, &widths)?;
    let placed = place(pair(convs, norms)?, n)?;
    let mut names = BTreeMap::new();
    let mut take = |own: &str, tensors: &LayerTensors| {
        for (role, name, _) in &tensors.parts {
            names.insert(format!("{own}.{role}"), (*name).to_owned());
        }
    };
    take(NAMES.linear, linear);
    for (layer, (conv, norm)) in &placed {
        let [own_conv, own_norm] = NAMES.of(*layer);
        take(&own_conv, conv);
        take(&own_norm, norm);
    }
    Ok(Mapping {
        n: n as u32,
        shortcuts: any_shortcut(projections),
        usual: any_shortcut(projections),
        id: "",
        scheme: "names of no known code, matched by shapes and order",
        names,
    })
}

/// The tensors by layer; those whose name says no role are left over.
fn layers<'a>(seen: &Listing<'a>, left_over: &mut Vec<String>) -> Vec<LayerTensors<'a>> {
    let mut layers: BTreeMap<&str, LayerTensors> = BTreeMap::new();
    for (&name, tensor) in seen {
        let role = ROLES.iter().find_map(|(suffix, role)| {
            let stem = name.strip_suffix(suffix)?;
            Some((stem.trim_end_matches(['.', '_', '/']), *role))
        });
        let Some((stem, role)) = role else {
            left_over.push(name.to_owned());
            continue;
        };
        let tensors = layers.entry(stem).or_insert_with(|| LayerTensors {
            name: stem,
            tokens: tokens(stem),
            parts: Vec::new(),
            rank: tensor.rank,
            width: 0,
        });
        // Any tensor of unknown rank makes the layer's unknown.
        tensors.rank = tensors.rank.min(tensor.rank);
        tensors.parts.push((role, name, tensor.shape));
        tensors.parts.sort_unstable();
    }
    layers.into_values().collect()
}

fn tokens(name: &str) -> Vec<Token> {
    let words = name.split(|letter: char| !letter.is_alphanumeric());
    let pieces = words.flat_map(|word| {
        word.as_bytes()
            .chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit())
            .map(|piece| String::from_utf8_lossy(piece).into_owned())
            .collect::<Vec<_>>()
    });
    pieces
        .map(|piece| piece.parse().map_or(Token::Word(piece), Token::Number))
        .collect()
}

/// Gives each convolution the batch normalisation that is nearest to it in the tree of names:
/// where as many convolutions as batch normalisations have a beginning in common, and no longer
/// one, they belong together.
fn pair<'a>(
    mut convs: Vec<LayerTensors<'a>>,
    mut norms: Vec<LayerTensors<'a>>,
) -> Result<Vec<Pair<'a>>> {
    let deepest = convs.iter().map(|tensors| tensors.tokens.len()).max();
    let mut pairs = Vec::new();
    for depth in (0..=deepest.unwrap_or(0)).rev() {
        let mut groups: BTreeMap<Vec<Token>, [Vec<LayerTensors>; 2]> = BTreeMap::new();
        let (mut apart_convs, mut apart_norms) = (Vec::new(), Vec::new());
        for (layers, side, apart) in [(convs, 0, &mut apart_convs), (norms, 1, &mut apart_norms)] {
            for tensors in layers {
                match tensors.tokens.get(..depth) {
                    Some(start) => groups.entry(start.to_vec()).or_default()[side].push(tensors),
                    None => apart.push(tensors),
                }
            }
        }
        for [group_convs, group_norms] in groups.into_values() {
            if group_convs.len() == group_norms.len() {
                pairs.extend(pair_off(group_convs, group_norms, depth)?);
            } else {
                apart_convs.extend(group_convs);
                apart_norms.extend(group_norms);
            }
        }
        (convs, norms) = (apart_convs, apart_norms);
    }
    if convs.is_empty() && norms.is_empty() {
        return Ok(pairs);
    }
    let names: Vec<_> = convs
        .iter()
        .chain(&norms)
        .map(|tensors| tensors.name)
        .collect();
    bail!(
        "it is not certain which batch normalisation follows which convolution ({} and {} are \
         left: {}): {ADVICE}",
        norms.len(),
        convs.len(),
        shorten(&names, ", ")
    )
}

/// Pairs as many convolutions with as many batch normalisations, all with `depth` tokens in
/// common, in their order.
fn pair_off<'a>(
    convs: Vec<LayerTensors<'a>>,
    norms: Vec<LayerTensors<'a>>,
    depth: usize,
) -> Result<Vec<Pair<'a>>> {
    let pairs: Vec<Pair> = ordered(convs)?.into_iter().zip(ordered(norms)?).collect();
    for (conv, norm) in &pairs {
        ensure!(
            conv.width == norm.width,
            "the convolution {} has {} filters and the batch normalisation {}, which seems to \
             follow it, {} channels: {ADVICE}",
            conv.name,
            conv.width,
            norm.name,
            norm.width
        );
    }
    // Projections stand beside the convolutions that they go past: only equal names help there.
    let kernel = |(conv, _): &Pair| conv.weight().last().copied();
    let alike = pairs
        .windows(2)
        .all(|two| kernel(&two[0]) == kernel(&two[1]));
    let rest = |tensors: &LayerTensors| tensors.tokens.get(depth + 1..).map(<[Token]>::to_vec);
    let named_alike = pairs.iter().all(|(conv, norm)| rest(conv) == rest(norm));
    if let [(first, _), .., (last, _)] = &pairs[..]
        && !alike
        && !named_alike
    {
        bail!(
            "it is not certain which batch normalisation follows which convolution from {} to \
             {}: {ADVICE}",
            first.name,
            last.name
        );
    }
    Ok(pairs)
}

/// Where each convolution of a net of this n stands.
fn place(pairs: Vec<Pair<'_>>, n: usize) -> Result<Vec<Placed<'_>>> {
    let mut placed = Vec::new();
    let mut stages: [Vec<Pair>; 3] = Default::default();
    for pair in pairs {
        match place_of(pair.0.name, pair.0.weight())? {
            ConvLayer::Block { stage, .. } => stages[stage].push(pair),
            layer => placed.push((layer, pair)),
        }
    }
    for (stage, pairs) in stages.into_iter().enumerate() {
        let (convs, norms): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let mut norms: BTreeMap<&str, LayerTensors> = convs
            .iter()
            .map(|conv: &LayerTensors| conv.name)
            .zip(norms)
            .collect();
        let convs = ordered(convs)?;
        not_by_halves(&convs, n)?;
        for (at, conv) in convs.into_iter().enumerate() {
            let (index, half) = ((at / 2) as u32, at % 2);
            let layer = ConvLayer::Block { stage, index, half };
            ensure!(
                conv.weight() == layer.shape(),
                "the convolution {} of {:?} stands where one of {:?} is expected: {ADVICE}",
                conv.name,
                conv.weight(),
                layer.shape()
            );
            if let Some(norm) = norms.remove(conv.name) {
                placed.push((layer, (conv, norm)));
            }
        }
    }
    Ok(placed)
}

/// Refuses names that seem to list all first convolutions of a stage and then all second ones.
fn not_by_halves(convs: &[LayerTensors], n: usize) -> Result<()> {
    let (first, second) = convs.split_at(n);
    let [Some(a), .., Some(b)] = [convs.first(), convs.last()] else {
        return Ok(());
    };
    let common = a
        .tokens
        .iter()
        .zip(&b.tokens)
        .take_while(|(a, b)| a == b)
        .count();
    let split = |tensors: &LayerTensors| {
        (
            tensors.tokens.get(common).cloned(),
            tensors.tokens.get(common + 1..).map(<[Token]>::to_vec),
        )
    };
    let alike = first
        .iter()
        .zip(second)
        .all(|(a, b)| split(a).1.is_some() && split(a).1 == split(b).1);
    let halves = first.iter().all(|tensors| split(tensors).0 == split(a).0)
        && second.iter().all(|tensors| split(tensors).0 == split(b).0);
    ensure!(
        n < 3 || !(alike && halves),
        "it is not certain whether {} and {} are in the same block: {ADVICE}",
        a.name,
        second.first().map_or("", |tensors| tensors.name)
    );
    Ok(())
}

/// The layers in the order of their names if that is certain, else in the file's.
fn ordered(mut layers: Vec<LayerTensors>) -> Result<Vec<LayerTensors>> {
    layers.sort_by(|a, b| a.tokens.cmp(&b.tokens));
    let doubt = layers.windows(2).find(|two| !certain(&two[0], &two[1]));
    let Some([a, b]) = doubt else {
        return Ok(layers);
    };
    ensure!(
        layers.iter().all(|tensors| tensors.rank.is_some()),
        "it is not certain which of {} and {} comes first: {ADVICE}",
        a.name,
        b.name
    );
    layers.sort_by_key(|tensors| tensors.rank);
    Ok(layers)
}

/// Whether names tell the order of two layers: by numbers or single letters, not by words.
fn certain(a: &LayerTensors, b: &LayerTensors) -> bool {
    let same = a
        .tokens
        .iter()
        .zip(&b.tokens)
        .take_while(|(a, b)| a == b)
        .count();
    let counts = |token: Option<&Token>| match token {
        None | Some(Token::Number(_)) => true,
        Some(Token::Word(word)) => word.chars().count() == 1,
    };
    let (a, b) = (a.tokens.get(same), b.tokens.get(same));
    counts(a) && counts(b) && a.cmp(&b) != Ordering::Equal
}
