// Writes what Go answers to the templates of the tests: see README.md beside this file.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"text/template"
	"time"

	"github.com/Masterminds/sprig/v3"
	"github.com/gosimple/slug"
	"sigs.k8s.io/yaml"
)

// One line of the file of answers. Ours stands where we answer differently, and is kept.
type answer struct {
	Template string  `json:"t"`
	Out      *string `json:"o,omitempty"`
	Error    bool    `json:"e,omitempty"`
	Ours     *string `json:"ours,omitempty"`
}

var unsafeCharacters = regexp.MustCompile("[^-a-z0-9.]")

func normalize(name string) string {
	name = unsafeCharacters.ReplaceAllString(strings.ToLower(name), "-")
	return strings.Trim(name[:min(len(name), 253)], "-.")
}

func slugify(arguments ...any) string {
	size, smart, name := 50, true, ""
	for i, argument := range arguments {
		switch i {
		case len(arguments) - 1:
			name = argument.(string)
		case 0:
			size = argument.(int)
		case 1:
			smart = argument.(bool)
		}
	}
	slug.MaxLength, slug.EnableSmartTruncate = size, smart
	return slug.Make(normalize(name))
}

func functions() template.FuncMap {
	all := sprig.GenericFuncMap()
	delete(all, "env")
	delete(all, "expandenv")
	delete(all, "getHostByName")
	all["normalize"], all["slugify"] = normalize, slugify
	all["toYaml"] = func(value any) (string, error) {
		out, err := yaml.Marshal(value)
		return strings.TrimSuffix(string(out), "\n"), err
	}
	all["fromYaml"] = func(text string) (map[string]any, error) {
		out := map[string]any{}
		err := yaml.Unmarshal([]byte(text), &out)
		return out, err
	}
	all["fromYamlArray"] = func(text string) ([]any, error) {
		out := []any{}
		err := yaml.Unmarshal([]byte(text), &out)
		return out, err
	}
	return all
}

func render(source string, data []byte) (out string, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("panic: %v", panicked)
		}
	}()
	// Templates change their data, so each has its own.
	var dot any
	if err := yaml.Unmarshal(data, &dot); err != nil {
		return "", err
	}
	parsed, err := template.New("").Funcs(functions()).Parse(source)
	if err != nil {
		return "", err
	}
	var buffer bytes.Buffer
	err = parsed.Execute(&buffer, dot)
	return buffer.String(), err
}

func main() {
	time.Local = time.UTC
	data, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	for lines.Scan() {
		var line answer
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			panic(err)
		}
		out, err := render(line.Template, data)
		line.Out, line.Error = &out, err != nil
		if err != nil {
			line.Out = nil
		}
		if err := encoder.Encode(line); err != nil {
			panic(err)
		}
	}
}
