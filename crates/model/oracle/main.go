// Answers what Kubernetes' YAML library reads of each text: one JSON object a line, {"t": text} in,
// with "o" (the value) or "e" (the error) out.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"sigs.k8s.io/yaml"
)

type line struct {
	T string           `json:"t"`
	O *json.RawMessage `json:"o,omitempty"`
	E string           `json:"e,omitempty"`
}

func answer(l *line) {
	defer func() {
		if r := recover(); r != nil {
			l.E = fmt.Sprint("panic: ", r)
		}
	}()
	var v any
	if err := yaml.Unmarshal([]byte(l.T), &v); err != nil {
		l.E = err.Error()
		return
	}
	b, err := json.Marshal(v)
	if err != nil {
		l.E = err.Error()
		return
	}
	m := json.RawMessage(b)
	l.O = &m
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<26)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for in.Scan() {
		var l line
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			panic(err)
		}
		l.O, l.E = nil, ""
		answer(&l)
		if err := enc.Encode(&l); err != nil {
			panic(err)
		}
	}
}
