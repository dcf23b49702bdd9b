"""The JSON Schema of an in-toto statement v1 with SLSA provenance v1, and ways to break a statement.

Neither in-toto nor SLSA publishes a JSON Schema. What they publish are protocol buffers, which say
names, types and what repeats, and specifications, which say what is required and how a string is written.
The schema is made of both each time, from the descriptors in in-toto's Python package (in-toto-attestation)
and from the tables below, which quote the specifications:

- [statement], [resource_descriptor], [digest_set], [field_types]: github.com/in-toto/attestation, spec/v1/*.md
- [provenance]: github.com/slsa-framework/slsa, docs/spec/v1.0/provenance.md

SLSA's provenance.cue is no schema to hold a statement against: by [provenance] it is a human-readable
summary, and `cue vet` refuses every statement with it (`reference "object" not found`).

Stricter than the specifications in one thing: they let a statement have fields that nobody knows, which
its readers are to ignore; here an unknown field is a mistake of the writer. Unaware of any report.
"""

import copy
import hashlib

import jsonschema
from google.protobuf.descriptor import FieldDescriptor
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import resource_descriptor_pb2, statement_pb2

DIALECT = "https://json-schema.org/draft/2020-12/schema"

STATEMENT = statement_pb2.Statement.DESCRIPTOR
RESOURCE = resource_descriptor_pb2.ResourceDescriptor.DESCRIPTOR
PROVENANCE = provenance_pb2.Provenance.DESCRIPTOR

# Protocol buffers, version 3, do not say what is required.
REQUIRED = {
    # [statement]: "required"; the predicate is optional there, but not what SLSA requires in it.
    "Statement": ["_type", "subject", "predicateType", "predicate"],
    # [provenance]: "REQUIRED for SLSA Build L1"
    "Provenance": ["buildDefinition", "runDetails"],
    "BuildDefinition": ["buildType", "externalParameters"],
    "RunDetails": ["builder"],
    "Builder": ["id"],
}

# What a field's type in the protocol buffers does not say.
NARROWER = {
    # [statement]: "Always `https://in-toto.io/Statement/v1` for this version of the spec"
    ("Statement", "_type"): {"const": "https://in-toto.io/Statement/v1"},
    # [provenance]: its predicate type, of which this is the predicate
    ("Statement", "predicateType"): {"const": "https://slsa.dev/provenance/v1"},
    ("Statement", "predicate"): {"$ref": "#/$defs/Provenance"},
    # [statement]: "Each element MUST have `digest` set"; none at all is refused by in-toto's own validate()
    ("Statement", "subject"): {
        "minItems": 1,
        "items": {"$ref": "#/$defs/ResourceDescriptor", "required": ["digest"]},
    },
    # [provenance], [resource_descriptor]: "TypeURI", "ResourceURI"; [field_types]: "as specified in RFC 3986",
    # "the scheme and authority MUST be in lowercase"
    ("BuildDefinition", "buildType"): {"$ref": "#/$defs/URI"},
    ("Builder", "id"): {"$ref": "#/$defs/URI"},
    ("ResourceDescriptor", "uri"): {"$ref": "#/$defs/URI"},
    ("ResourceDescriptor", "downloadLocation"): {"$ref": "#/$defs/URI"},
    ("ResourceDescriptor", "digest"): {"$ref": "#/$defs/DigestSet"},
}

# [resource_descriptor]: "MUST specify one of `uri`, `digest` or `content` at a minimum"
ONE_OF = {"ResourceDescriptor": ["uri", "digest", "content"]}

# The JSON forms of single values: protobuf.dev, ProtoJSON format.
SCALARS = {
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {
        "type": "string",
        "contentEncoding": "base64",
        "pattern": "^[A-Za-z0-9+/_-]*={0,2}$",
    },
}
WELL_KNOWN = {
    # Any JSON object.
    "google.protobuf.Struct": {"type": "object"},
    # [field_types]: "MUST be in RFC 3339 format in the UTC timezone (\"Z\")"
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time", "pattern": "T.*Z$"},
}

# [digest_set]: the "standard cryptographic hash algorithms", with "lowercase hex-encoded values"
HASHES = (
    "sha256 sha224 sha384 sha512 sha512_224 sha512_256 sha3_224 sha3_256 sha3_384 sha3_512 shake128 shake256 "
    "blake2b blake2s ripemd160 sm3 gost sha1 md5"
).split()
# [digest_set]: "The lowercase hex SHA-1 (40 character) or SHA-256 (64 character) of a git commit, tree, blob, or tag"
GIT_OBJECTS = ["gitCommit", "gitTree", "gitBlob", "gitTag"]


def schema():
    """The schema of a statement."""
    definitions = {"URI": uri(), "DigestSet": digest_set()}
    for message in (STATEMENT, RESOURCE, PROVENANCE):
        define(message, definitions)
    return {"$schema": DIALECT, "$ref": "#/$defs/Statement", "$defs": definitions}


def define(message, definitions):
    """Adds a message and all that it consists of."""
    if message.name in definitions:
        return
    properties = {}
    definitions[message.name] = {
        "type": "object",
        "description": f"message {message.full_name}",
        "properties": properties,
        "additionalProperties": False,
    }
    if message.name in REQUIRED:
        definitions[message.name]["required"] = REQUIRED[message.name]
    if message.name in ONE_OF:
        definitions[message.name]["anyOf"] = [{"required": [name]} for name in ONE_OF[message.name]]
    for field in message.fields:
        narrower = NARROWER.get((message.name, field.json_name), {})
        properties[field.json_name] = {**of_field(field, definitions), **narrower}


def of_field(field, definitions):
    """The form of a field: https://protobuf.dev/programming-guides/json/"""
    if field.message_type and field.message_type.GetOptions().map_entry:
        value = field.message_type.fields_by_name["value"]
        return {"type": "object", "additionalProperties": of_value(value, definitions)}
    value = of_value(field, definitions)
    return {"type": "array", "items": value} if field.is_repeated else value


def of_value(field, definitions):
    if not field.message_type:
        return SCALARS[field.type]
    if field.message_type.full_name in WELL_KNOWN:
        return WELL_KNOWN[field.message_type.full_name]
    define(field.message_type, definitions)
    return {"$ref": f"#/$defs/{field.message_type.name}"}


def uri():
    """[field_types]: a URI by RFC 3986, "the scheme and authority MUST be in lowercase"."""
    return {"type": "string", "format": "uri", "pattern": "^[a-z][a-z0-9+.-]*:(?!//[^/?#]*[A-Z])"}


def digest_set():
    """[digest_set]: "Set of one or more immutable digests"; others than the named ones may be in it."""
    patterns = {name: f"^[0-9a-f]{{{digits(name)}}}$" if digits(name) else "^[0-9a-f]+$" for name in HASHES}
    patterns |= dict.fromkeys(GIT_OBJECTS, "^([0-9a-f]{40}|[0-9a-f]{64})$")
    return {
        "type": "object",
        "minProperties": 1,
        "properties": {name: {"type": "string", "pattern": pattern} for name, pattern in patterns.items()},
        "additionalProperties": {"type": "string"},
    }


def digits(algorithm):
    """How many hexadecimal digits a digest has; 0 if that is not fixed, or not known here."""
    try:
        return 2 * hashlib.new(algorithm).digest_size
    except ValueError:
        return 0


def validator():
    jsonschema.Draft202012Validator.check_schema(schema())
    formats = jsonschema.FormatChecker(formats=["uri", "date-time"])
    return jsonschema.Draft202012Validator(schema(), format_checker=formats)


def faults(statement):
    """What is wrong with a statement, one line for each."""
    errors = sorted(validator().iter_errors(statement), key=lambda error: error.json_path)
    return [f"{error.json_path}: {error.message[:200]}" for error in errors]


def broken(statement):
    """Copies of a statement, each broken in one place, as (what is broken, copy).

    Everywhere that the schema reaches: a field that is unknown, one that is required and missing, a value
    of another type, a string that is not of its form. The statement is to have all that it may have
    (`full`), so that nothing of the schema is left out.
    """
    for place, what, change in breaks(schema(), schema(), statement, ()):
        other = copy.deepcopy(statement)
        target = other
        for step in place:
            target = target[step]
        change(target)
        yield f"{what} in {'/'.join(map(str, place)) or 'the statement'}", other


def valid(statements):
    """Which of the statements, each with its name, the schema lets pass."""
    by_schema = validator()
    return [name for name, statement in statements if by_schema.is_valid(statement)]


def full(statement):
    """The statement with all that it may have beside what it must."""
    full = copy.deepcopy(statement)
    resource = {
        "name": "log",
        "uri": "pkg:generic/log@1",
        "content": "bG9n",
        "mediaType": "text/plain",
        "downloadLocation": "https://example.com/log",
        "annotations": {"any": [1, None]},
        "digest": {"sha512": "0" * 128, "gitCommit": "a" * 40, "another": "of any form"},
    }
    full["subject"][0] |= resource
    git = dict.fromkeys(GIT_OBJECTS, "0" * 40)
    full["subject"][0]["digest"] = git | {name: "0" * (digits(name) or 2) for name in HASHES} | resource["digest"]
    run = full["predicate"]["runDetails"]
    run["byproducts"] = [copy.deepcopy(resource), {"uri": "pkg:generic/log@1"}, {"content": "bG9n"}]
    run["builder"]["builderDependencies"] = [copy.deepcopy(resource)]
    times = {"startedOn": "1985-04-12T23:20:50.52Z", "finishedOn": "1985-04-12T23:20:51Z"}
    run["metadata"] = {"invocationId": "1", **times}
    return full


def breaks(root, form, value, place):
    """The breaks of a value and of all in it, as (place, what, change of what is there)."""
    form = resolved(root, form)
    rest = form.get("additionalProperties")
    if rest is False:
        yield place, "an unknown field", lambda it: it.update(colour="red")
    for name in form.get("required", []):
        yield place, f"no {name}", lambda it, name=name: it.pop(name)
    if "anyOf" in form:
        names = [name for choice in form["anyOf"] for name in choice["required"]]
        yield place, f"none of {', '.join(names)}", lambda it: [it.pop(name, None) for name in names]
    if form.get("minProperties") or form.get("minItems"):
        yield place, "nothing", lambda it: it.clear()
    parts = []
    if form["type"] == "array":
        parts = [(step, form["items"]) for step in range(len(value))]
    elif form["type"] == "object" and rest is not None:
        parts = [(name, form.get("properties", {}).get(name, rest)) for name in value]
    for step, part in parts:
        for wrong in wrong_values(resolved(root, part)):
            change = lambda it, step=step, wrong=wrong: it.__setitem__(step, wrong)
            yield place, f"{step} = {wrong!r}", change
        yield from breaks(root, part, value[step], (*place, step))


def wrong_values(form):
    """Values that a form must refuse: of other types, and strings of another form."""
    yield from [3, None, {} if form["type"] != "object" else []]
    if form.keys() & {"const", "pattern"}:
        yield "0A!"
    if form.keys() & {"const", "pattern"} and "contentEncoding" not in form:
        yield ""
    if "const" in form:
        yield form["const"] + "?draft"
    if form.get("format") == "uri":
        yield from ["example.com/log", "https://example.com/a log", "HTTPS://example.com", "https://Example.com/log"]
    if form.get("format") == "date-time":
        yield from ["1985-04-12", "1985-04-12T25:20:50Z", "1985-04-12T23:20:50+01:00"]


def resolved(root, form):
    """A form with what it refers to; what both require is required."""
    if "$ref" not in form:
        return form
    other = resolved(root, root["$defs"][form["$ref"].rsplit("/", 1)[-1]])
    required = [*form.get("required", []), *other.get("required", [])]
    return {**other, **{key: it for key, it in form.items() if key != "$ref"}, "required": required}
