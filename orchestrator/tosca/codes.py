"""The problems that reading a document can report: a stable code, a title, why it matters and what to do.

T01 files and YAML, T02 imports and keynames, T03 types, T04 values, T05 requirements, T06 functions, T07 workflows,
T08 the rest of a topology, T09 the second validator, T10 files for orch itself.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class ProblemKind(msgspec.Struct, frozen=True):
    """What a problem code stands for."""

    code: str
    title: str
    explanation: str
    remedy: str


_table: dict[str, ProblemKind] = {}


def _code(code: str, title: str, explanation: str, remedy: str) -> str:
    if code in _table:
        raise ValueError(f"problem code {code} is there twice")
    _table[code] = ProblemKind(code, title, explanation, remedy)
    return code


FILE_MISSING = _code(
    "T0101",
    "File not found",
    "The document to be read does not exist, or may not be read.",
    "Check the path; a relative path starts in the current folder.",
)
NOT_A_FILE = _code(
    "T0102",
    "Not a file",
    "A folder, a device or a pipe was given where a document belongs.",
    "Name the YAML file inside the folder.",
)
NOT_UTF8 = _code(
    "T0103",
    "Not UTF-8 text",
    "TOSCA documents are YAML in UTF-8; this file holds bytes that are not.",
    "Save the file as UTF-8, or check that it is a text file at all.",
)
YAML_SYNTAX = _code(
    "T0104",
    "YAML syntax error",
    "The text cannot be read as YAML; often the indentation, a missing colon or quote, or a tab.",
    "Look at the line named and the one before it.",
)
YAML_LIMIT = _code(
    "T0105",
    "Document too large",
    "The document is larger, nested more deeply or repeats more by aliases than any real one does.",
    "Split the document, or write aliases (*name) out where they refer to each other.",
)
DUPLICATE_KEY = _code(
    "T0106",
    "Key given twice",
    "A map names the same key twice; YAML forbids it, and one of the two values would be lost silently.",
    "Remove or rename one of the two.",
)
BAD_KEY = _code(
    "T0107",
    "Key is not a string",
    "A map or a list is used as the key of a map.",
    "Use a plain string as key; braces in a value may need quotes.",
)
MANY_DOCUMENTS = _code(
    "T0108",
    "More than one document",
    "The file holds several YAML documents separated by `---`; only the first one is read.",
    "Put each service template into a file of its own.",
)
EMPTY_DOCUMENT = _code(
    "T0109",
    "Not a service template",
    "The document is empty, or it is a list or a single value where a map of keynames belongs.",
    "Begin with `tosca_definitions_version: tosca_simple_yaml_1_3`.",
)
BAD_ALIAS = _code(
    "T0110",
    "Alias that cannot be followed",
    "An alias (*name) refers to itself or to an anchor (&name) that is not defined before it.",
    "Write the value out, or move the anchor before the alias.",
)
BAD_TAG = _code(
    "T0111",
    "Tag without a meaning",
    "A value has a YAML tag (!name) that stands for something that no TOSCA type is, such as !!binary or !!set.",
    "Write the value itself, without the tag.",
)
BAD_CHARACTER = _code(
    "T0112",
    "Character that nothing can carry",
    "A text has a NUL character or half a surrogate, which neither a program's variables nor UTF-8 can hold; or a name "
    "has a control character, which would steer the terminal that shows it.",
    "Leave the character out.",
)

UNKNOWN_VERSION = _code(
    "T0201",
    "Unknown tosca_definitions_version",
    "The document does not say which dialect of TOSCA it is written in, or names one that is not known.",
    "Use tosca_simple_yaml_1_3, or one of the dialects that the message lists.",
)
IMPORT_MISSING = _code(
    "T0202",
    "Import not found",
    "An imported file does not exist, or no profile of that name is in the catalog.",
    "Check the spelling; relative files are looked up beside the importing document.",
)
IMPORT_VERSION = _code(
    "T0203",
    "Profile in another version",
    "The catalog has the profile in another version than the import asks for; the nearest one is taken.",
    "Import the version that is there, or put the wanted one into the catalog folder.",
)
IMPORT_URL = _code(
    "T0204",
    "Import from the network",
    "Documents are not fetched from the network, so that reading is reproducible and safe.",
    "Download the file and import it by its path.",
)
IMPORT_NOTATION = _code(
    "T0205",
    "Import not understood",
    "An import is neither a file, a `name:version` of the catalog nor a map with `file`.",
    "Write `- types.yaml`, `- name:version` or `- file: types.yaml`.",
)
UNKNOWN_KEYNAME = _code(
    "T0206",
    "Unknown keyname",
    "This keyname means nothing in this place and would be ignored.",
    "Check the spelling and the indentation.",
)
WRONG_KIND = _code(
    "T0207",
    "Map, list or text in the wrong place",
    "The structure of TOSCA asks for a map, a list or a text here, and something else is written.",
    "Check the indentation; list items begin with a dash, map entries have a colon.",
)
MISSING_KEYNAME = _code(
    "T0208",
    "Keyname missing",
    "A keyname that this definition cannot do without is not there.",
    "Add the keyname.",
)
UNKNOWN_REPOSITORY = _code(
    "T0209",
    "Unknown repository",
    "A repository is used that the document does not define under `repositories`.",
    "Define it, or remove the keyname when the file lies beside the document.",
)
IMPORT_OUTSIDE = _code(
    "T0210",
    "File outside the allowed folders",
    "An archive or a catalog profile names a file outside its own folder.",
    "Put the file inside and name it by a relative path.",
)

# archives (CSAR) and the lock file
ARCHIVE_UNREADABLE = _code(
    "T0251",
    "Archive that cannot be read",
    "The file is no zip archive, or it is damaged, encrypted or compressed by an unusual method.",
    "Get the archive anew, or make it with `orch package`.",
)
ARCHIVE_UNSAFE = _code(
    "T0252",
    "Archive that is not safe to unpack",
    "An entry of the archive would be written outside of it or over another one, or is a link that leads outside or a "
    "special file. Nothing was unpacked.",
    "Do not trust where the archive came from; make it anew from its sources.",
)
ARCHIVE_LIMIT = _code(
    "T0253",
    "Archive too large",
    "The archive, its content, the number of its entries, the length of their names or the depth of its folders is "
    "beyond what a CSAR needs, or it would grow too much when unpacked. Nothing was unpacked.",
    "Leave out of the archive what the topology does not need.",
)
ARCHIVE_LAYOUT = _code(
    "T0254",
    "Archive without a clear entry",
    "A CSAR names its service template in TOSCA-Metadata/TOSCA.meta (Entry-Definitions), or has exactly one at its "
    "root, with template_name and template_version in its metadata (Simple Profile 1.3, section 6).",
    "Make the archive with `orch package`, or mend TOSCA.meta.",
)
LOCK_DIFFERS = _code(
    "T0261",
    "Not what was locked",
    "The file orch.lock beside the topology says which documents and files the topology was made of; now a profile is "
    "there in another version, or a file has another content.",
    "Bring back what was locked, or accept what there is now with `orch lock`.",
)
LOCK_UNREADABLE = _code(
    "T0262",
    "Lock file not understood",
    "The file orch.lock is not one that `orch lock` has written.",
    "Write it anew with `orch lock`, or remove it.",
)

UNKNOWN_TYPE = _code(
    "T0301",
    "Unknown type",
    "No type of this name is defined in the document or in what it imports.",
    "Check the spelling, or add the import of the profile that defines it.",
)
CYCLIC_TYPES = _code(
    "T0302",
    "Types derived in a circle",
    "A type is, over others, derived from itself.",
    "Break the circle of `derived_from`.",
)
DUPLICATE_TYPE = _code(
    "T0303",
    "Type defined twice",
    "Two documents define a type of the same name differently; the one nearer to the root document counts.",
    "Rename one of them, or import only one.",
)
BAD_OCCURRENCES = _code(
    "T0304",
    "Occurrences not understood",
    "Occurrences are a pair of a lower bound and an upper bound or UNBOUNDED, the lower one not above the upper one.",
    "Write for example `occurrences: [0, UNBOUNDED]`.",
)
BAD_CONSTRAINT = _code(
    "T0305",
    "Constraint not understood",
    "A constraint clause has an unknown operator, or a value that does not fit the operator or the type. A `pattern` "
    "is a regular expression of RE2 that the whole value matches: it does not look around and has no back references; "
    r"`\d`, `\w`, `\s` and `\b` know ASCII, `\pL` is a letter and `\pN` a digit of any script.",
    "Check the operator and the type of its value; patterns are in https://github.com/google/re2/wiki/Syntax.",
)
BAD_REFINEMENT = _code(
    "T0306",
    "Property redefined with another type",
    "A derived type redefines an inherited property with a type that is not derived from the inherited one.",
    "Keep the inherited type, derive from it, or choose another name.",
)
MISSING_TYPE = _code(
    "T0307",
    "Type missing",
    "A definition or a template does not say of which type it is.",
    "Add `type:`.",
)
IMPLEMENTATION_MISSING = _code(
    "T0308",
    "Implementation file not found",
    "The file that implements an operation is not there; calling the operation would fail.",
    "Check the path; it is relative to the document that declares the operation.",
)
UNKNOWN_OPERATION_IN_INTERFACE = _code(
    "T0309",
    "Unknown operation of an interface",
    "The interface has no operation of this name, so it would never be called.",
    "Check the spelling against the interface's operations.",
)
ARTIFACT_MISSING = _code(
    "T0310",
    "Artifact file not found",
    "The file of an artifact is not there.",
    "Check the path; it is relative to the document that declares the artifact.",
)

SCRIPT_SYNTAX = _code(
    "T0311",
    "Script with a syntax error",
    "A script that implements an operation cannot be read by the shell, or by Python: it would fail when it is called.",
    "Mend the line that is named; a block or a quote that is not closed is often told at the end of the file.",
)
PLAYBOOK_SYNTAX = _code(
    "T0312",
    "Playbook that Ansible refuses",
    "A playbook is no YAML, has a keyword in the wrong place, or a task has no module, several or an unknown one.",
    "Mend the line that is named; modules of collections are written in full, such as community.general.ini_file.",
)
NO_HOSTS = _code(
    "T0313",
    "Playbook that runs on no host",
    "None of the plays names a host or a group that there is when orch runs it, so that no task would run.",
    "Write `hosts: all`; there are the groups target_hosts (machines reached by ssh) and hosted_operations (this one).",
)
FILE_NOT_CHECKED = _code(
    "T0314",
    "File that cannot be checked here",
    "A script or a playbook could not be looked at whole, because something that it takes is not on this machine.",
    "Install what is missing, if the operation is to run here.",
)
CHECKSUM = _code(
    "T0315",
    "Artifact that its checksum does not fit",
    "An artifact says which checksum its file has, and the file is another one, or the checksum cannot be understood.",
    "Get the file anew, or give the checksum of the file that is there, with its checksum_algorithm.",
)
SETTINGS_NOT_READ = _code(
    "T0316",
    "Settings of Ansible that are not read",
    "An ansible.cfg lies beside a playbook or above it. orch has settings of its own and reads no others.",
    "Write what it needs into the playbook; roles, plugins, collections and group_vars beside it are found anyway.",
)

UNKNOWN_PROPERTY = _code(
    "T0401",
    "Unknown property",
    "The type has no property of this name.",
    "Check the spelling; `orch types NAME` lists what a type has.",
)
MISSING_PROPERTY = _code(
    "T0402",
    "Required property missing",
    "The type asks for this property, it has no default, and no value is given.",
    "Give it a value.",
)
WRONG_VALUE = _code(
    "T0403",
    "Value of the wrong type",
    "The value cannot be read as the type that the property is defined with.",
    "Write a value of that type.",
)
CONSTRAINT_VIOLATED = _code(
    "T0404",
    "Value outside its constraint",
    "The value does not meet a constraint of the definition.",
    "Choose a value that does.",
)
UNKNOWN_ATTRIBUTE = _code(
    "T0405",
    "Unknown attribute",
    "The type has no attribute of this name.",
    "Check the spelling; `orch types NAME` lists what a type has.",
)
UNKNOWN_CAPABILITY = _code(
    "T0406",
    "Unknown capability",
    "The type has no capability of this name.",
    "Check the spelling; `orch types NAME` lists what a type has.",
)
UNKNOWN_FIELD = _code(
    "T0407",
    "Unknown field of a data type",
    "The data type has no property of this name.",
    "Check the spelling against the data type.",
)
MISSING_FIELD = _code(
    "T0408",
    "Required field of a data type missing",
    "The data type asks for this property, it has no default, and no value is given.",
    "Give it a value.",
)
UNKNOWN_INTERFACE = _code(
    "T0409",
    "Unknown interface",
    "The type has no interface of this name, so its operations would never be called.",
    "Check the spelling; `orch types NAME` lists what a type has.",
)
UNKNOWN_REQUIREMENT = _code(
    "T0501",
    "Unknown requirement",
    "The type has no requirement of this name.",
    "Check the spelling; `orch types NAME` lists what a type has.",
)
UNKNOWN_TARGET = _code(
    "T0502",
    "Unknown node",
    "No node template of this name exists.",
    "Check the spelling, or add the node template.",
)
CAPABILITY_MISMATCH = _code(
    "T0503",
    "Target without the wanted capability",
    "The target of a requirement has no capability of the name or type that the requirement asks for.",
    "Choose another target, or another capability of it.",
)
MISSING_REQUIREMENT = _code(
    "T0504",
    "Required requirement missing",
    "The type asks for this requirement to be fulfilled, and it is not.",
    "Add the requirement with a node template that offers the capability.",
)
TOO_MANY_REQUIREMENTS = _code(
    "T0505",
    "Requirement fulfilled too often",
    "A requirement is assigned more often than its occurrences allow.",
    "Remove assignments.",
)
CYCLIC_REQUIREMENTS = _code(
    "T0506",
    "Requirements in a circle",
    "Node templates require each other in a circle, so none of them could be started first.",
    "Remove one of the requirements of the circle.",
)
TARGET_TYPE = _code(
    "T0507",
    "Target of the wrong type",
    "The requirement asks for a node of a type that the target is not derived from.",
    "Choose a target of that type.",
)
UNRESOLVED_REQUIREMENT = _code(
    "T0508",
    "Requirement left open",
    "A requirement names a type instead of a node template, and not exactly one node template fits.",
    "Name the node template.",
)
INVALID_SOURCE = _code(
    "T0509",
    "Source not accepted by the capability",
    "The capability lists the node types it accepts as sources, and the source is none of them.",
    "Choose another target.",
)
RELATIONSHIP_MISMATCH = _code(
    "T0510",
    "Relationship of the wrong type",
    "The relationship type does not accept the capability, or is not the one that the requirement asks for.",
    "Choose a relationship type that fits.",
)
BAD_NODE_FILTER = _code(
    "T0511",
    "Node filter not met",
    "The target of a requirement does not meet the node_filter.",
    "Choose another target, or change the filter.",
)
NO_ADDRESS = _code(
    "T0512",
    "Machine without an address",
    "A node is hosted on a machine that is not a site, and neither the topology nor the output of an operation says "
    "where that machine is, so that nothing can be carried out there.",
    "Set ip_address of the machine's capability endpoint, or have the operations run on the orchestrator's machine.",
)

UNKNOWN_INPUT = _code(
    "T0601",
    "Unknown input",
    "`get_input` names an input that neither the topology nor a workflow has.",
    "Check the spelling, or add the input.",
)
BAD_FUNCTION = _code(
    "T0602",
    "Function with wrong arguments",
    "A function has too few, too many or the wrong kind of arguments.",
    "See the function's section of the TOSCA Simple Profile.",
)
UNKNOWN_FUNCTION_NODE = _code(
    "T0603",
    "Function of an unknown node",
    "A function names a node template that does not exist.",
    "Check the spelling, or use SELF.",
)
UNKNOWN_FUNCTION_PROPERTY = _code(
    "T0604",
    "Function of an unknown property or attribute",
    "A function asks for a property or an attribute that the node does not have.",
    "Check the spelling; `orch types NAME` lists what a type has.",
)
CYCLIC_PROPERTIES = _code(
    "T0605",
    "Properties defined by each other",
    "The value of a property is, over `get_property`, defined by itself.",
    "Give one of the properties a value of its own.",
)
UNKNOWN_FUNCTION_ARTIFACT = _code(
    "T0606",
    "Function of an unknown artifact or operation output",
    "A function asks for an artifact or for the output of an operation that the node does not have.",
    "Check the spelling; `orch types NAME` lists what a type has.",
)

UNKNOWN_STEP = _code(
    "T0701",
    "Unknown step",
    "A step names a successor that the workflow does not have.",
    "Check the spelling, or add the step.",
)
UNKNOWN_STEP_TARGET = _code(
    "T0702",
    "Step for an unknown node",
    "The target of a step is neither a node template nor a group of the topology.",
    "Check the spelling.",
)
UNKNOWN_OPERATION = _code(
    "T0703",
    "Unknown operation",
    "The step's target has no such interface or operation.",
    "Check the spelling; write it as Interface.operation.",
)
CYCLIC_STEPS = _code(
    "T0704",
    "Steps in a circle",
    "Steps follow each other in a circle, so none of them could ever run.",
    "Remove one of the edges of the circle.",
)
UNKNOWN_WORKFLOW = _code(
    "T0705",
    "Unknown workflow",
    "An activity names a workflow that is neither declared nor generated.",
    "Check the spelling.",
)
BAD_ACTIVITY = _code(
    "T0706",
    "Activity not understood",
    "An activity is one of set_state, call_operation, delegate and inline.",
    "Write for example `- call_operation: Standard.start`.",
)
CYCLIC_INLINE = _code(
    "T0707",
    "Workflows inlined in a circle",
    "A workflow is, over others, put into itself.",
    "Break the circle of `inline`.",
)
JOB_REFUSED = _code(
    "T0708",
    "Job that would be refused",
    "A job cannot be made from what the topology says, whatever its inputs are: something is missing, or has a value "
    "that makes no sense. As a warning: none of the sites that are known could run it.",
    "Mend the property that the message names.",
)
NO_SUBMISSION = _code(
    "T0709",
    "Job that is run without being submitted",
    "A workflow calls Runnable.run, which watches the job of a node, and never submits one.",
    "Call Runnable.submit of the node before.",
)
SCRIPT_VARIABLE = _code(
    "T0710",
    "Input named in a script",
    "The text of a batch script is taken as it is: ${name} in it is a variable of the shell, not the workflow input of "
    "that name, and is empty there unless it is set.",
    'Give the input to the script as a variable: environment: { name: "${name}" }.',
)

UNKNOWN_MEMBER = _code(
    "T0801",
    "Unknown member of a group or target of a policy",
    "A group or a policy names a node template that does not exist.",
    "Check the spelling.",
)
BAD_SUBSTITUTION = _code(
    "T0802",
    "Substitution mapping of something unknown",
    "A substitution mapping names something that the topology or the substituted type does not have.",
    "Check the spelling against the topology and the node type.",
)
UNKNOWN_DIRECTIVE = _code(
    "T0803",
    "Unknown directive",
    "A node template has a directive that is none of select, substitute, selectable and substitutable.",
    "Check the spelling.",
)
NOT_CARRIED_OUT = _code(
    "T0804",
    "Keyname that is not carried out",
    "TOSCA knows this keyname, or this value, and orch does not carry it out: what it asks for does not happen.",
    "Remove it, if nothing depends on it; else bring it about in another way.",
)
SHARED_TARGET = _code(
    "T0810",
    "Two transfers to one target",
    "Two downloads of the topology write the same file at the same environment, or two records are brought into one "
    "folder: of files of one name there can be only one, and the second transfer fails.",
    "Give each a target of its own; the path of a download that ends with / is the folder to put the file into.",
)

SECOND_OPINION = _code(
    "T0901",
    "Refused by tosca-parser",
    "The second validator, tosca-parser, refuses what orch's own checks have found right. orch carries it out.",
    "Nothing, unless the document is meant for tools that are built on tosca-parser, too: then see the message.",
)
UNKNOWN_SETTING = _code(
    "T1001",
    "Unknown setting",
    "A file for orch itself (sites.yaml, config.yaml, a record of the data catalogue) has a key that means nothing.",
    "Check the spelling; docs/sites.md and docs/secrets.md list the settings.",
)
WRONG_SETTING = _code(
    "T1002",
    "Setting with a wrong value",
    "The value of a setting is none of those that it can have.",
    "See the message.",
)
MISSING_SETTING = _code(
    "T1003",
    "Setting that is missing",
    "Something that orch cannot do without is not said.",
    "Add it.",
)
BAD_NAME = _code(
    "T1004",
    "Name that cannot be used",
    "A site or a record becomes a folder, a word of commands and a part of messages; this name is not fit for that.",
    "Use letters, digits, '.', '_' and '-', at most 100 of them, the first one a letter or a digit.",
)

CODES: Mapping[str, ProblemKind] = _table
