package oc

import (
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/openconfig/goyang/pkg/yang"
)

// schemaTree is the generated schema by Go type name, unpacked at first use
// because that takes tens of milliseconds. The packed form is part of the
// program and checked by a test, so that unpacking has no failure a caller
// could handle.
var schemaTree = sync.OnceValue(func() map[string]*yang.Entry {
	tree, err := UnzipSchema()
	if err != nil {
		return nil
	}
	return tree
})

var enumTypes = sync.OnceValue(func() map[string][]reflect.Type {
	initΛEnumTypes()
	return ΛEnumTypes
})

// Root returns the schema of the whole device: an entry whose Dir holds the
// top-level containers. It is shared, and must not be changed.
func Root() (*yang.Entry, error) {
	root := schemaTree()["Device"]
	if root == nil {
		return nil, fmt.Errorf("oc: generated schema has no device root")
	}
	return root, nil
}

// Modules returns, for every schema path such as
// "/interfaces/interface/config/tpid", the name of the YANG module whose
// namespace the node belongs to, which is what RFC 7951 member names carry.
// The schema entries themselves do not say it: a node made by a grouping of
// another module keeps that module's prefix.
func Modules() map[string]string {
	modules := make(map[string]string)
	addModules(modules, "", reflect.TypeFor[Device]())
	return modules
}

func addModules(modules map[string]string, parent string, t reflect.Type) {
	for i := range t.NumField() {
		field := t.Field(i)
		var path string
		for _, tag := range []string{"path", "shadow-path"} {
			names := strings.Split(field.Tag.Get(tag), "|")
			owners := strings.Split(field.Tag.Get(strings.TrimSuffix(tag, "path")+"module"), "|")
			for j, name := range names {
				if name == "" || j >= len(owners) {
					continue
				}
				path = parent
				owner := strings.Split(owners[j], "/")
				for k, elem := range strings.Split(name, "/") {
					path += "/" + elem
					modules[path] = owner[k]
				}
			}
		}
		child := field.Type
		for child.Kind() == reflect.Pointer || child.Kind() == reflect.Map || child.Kind() == reflect.Slice {
			child = child.Elem()
		}
		if child.Kind() == reflect.Struct {
			addModules(modules, strings.TrimSuffix(parent+"/"+field.Tag.Get("path"), "/"), child)
		}
	}
}

// Identities returns the module that defines each identity a leaf of type
// identityref (or a union with one) may name, keyed by the identity's plain
// name. The path is a schema path as in Modules. It is nil for other leaves.
func Identities(path string) map[string]string {
	var modules map[string]string
	for _, t := range enumTypes()[path] {
		for _, def := range ΛEnum[t.Name()] {
			if def.DefiningModule == "" {
				continue
			}
			if modules == nil {
				modules = make(map[string]string)
			}
			modules[def.Name] = def.DefiningModule
		}
	}
	return modules
}
