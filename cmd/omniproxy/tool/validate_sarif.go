package tool

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/url"
	"path/filepath"

	"github.com/omniproxy/omniproxy/keyspace"
)

// The parts of SARIF 2.1.0 (OASIS) that say a finding.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool struct {
			Driver sarifDriver `json:"driver"`
		} `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID      string      `json:"id"`
		Name    string      `json:"name"`
		Text    sarifText   `json:"shortDescription"`
		Help    *sarifText  `json:"help,omitempty"`
		Default sarifConfig `json:"defaultConfiguration"`
	}
	sarifConfig struct {
		Level string `json:"level"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifInvocation struct {
		Successful    bool                `json:"executionSuccessful"`
		Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level   string    `json:"level"`
		Message sarifText `json:"message"`
	}
	sarifResult struct {
		RuleID       string            `json:"ruleId"`
		RuleIndex    int               `json:"ruleIndex"`
		Level        string            `json:"level"`
		Message      sarifText         `json:"message"`
		Locations    []sarifLocation   `json:"locations"`
		Fingerprints map[string]string `json:"partialFingerprints"`
	}
	sarifLocation struct {
		Physical *sarifPhysical `json:"physicalLocation,omitempty"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact struct {
			URI string `json:"uri"`
		} `json:"artifactLocation"`
		Region struct {
			Line   int `json:"startLine"`
			Column int `json:"startColumn"`
		} `json:"region"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
		Kind string `json:"kind"`
	}
)

const sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

func sarifLevel(s keyspace.Severity) string {
	return map[keyspace.Severity]string{keyspace.Error: "error", keyspace.Warning: "warning", keyspace.Info: "note"}[s]
}

// WriteSARIF writes the problems as SARIF 2.1.0, a run for each source; version is that of omniproxy.
func WriteSARIF(to io.Writer, all []Validated, version string) error {
	log := sarifLog{sarifSchema, "2.1.0", []sarifRun{}}
	driver := sarifDriver{"omniproxy", version, nil}
	index := map[keyspace.ID]int{}
	for i, r := range keyspace.Rules() {
		rule := sarifRule{r.ID.String(), r.Name, sarifText{r.Text}, nil, sarifConfig{sarifLevel(r.Severity)}}
		if r.Hint != "" {
			rule.Help = &sarifText{r.Hint}
		}
		driver.Rules, index[r.ID] = append(driver.Rules, rule), i
	}
	for _, v := range all {
		run := sarifRun{Invocations: []sarifInvocation{{Successful: v.Err == nil}}, Results: []sarifResult{}}
		run.Tool.Driver = driver
		if v.Err != nil {
			run.Invocations[0].Notifications = []sarifNotification{{"error", sarifText{v.Err.Error()}}}
		}
		for _, p := range v.Problems {
			sum := sha256.Sum256([]byte(p.Identity()))
			run.Results = append(run.Results, sarifResult{
				p.Rule.String(), index[p.Rule], sarifLevel(p.Severity()), sarifText{p.Text}, []sarifLocation{p.sarif()},
				map[string]string{"omniproxy/v1": hex.EncodeToString(sum[:16])},
			})
		}
		log.Runs = append(log.Runs, run)
	}
	return encode(to, log, "  ")
}

// sarif is the place of a problem: a file, if it stands in one, and the key.
func (p Problem) sarif() (l sarifLocation) {
	if p.At.Line > 0 {
		l.Physical = &sarifPhysical{}
		l.Physical.Artifact.URI = (&url.URL{Path: filepath.ToSlash(p.At.File)}).String()
		l.Physical.Region.Line, l.Physical.Region.Column = p.At.Line, p.At.Column
	}
	if p.Key != "" {
		at := p
		at.At.Line = 0
		l.Logical = []sarifLogical{{at.Where(), "member"}}
	}
	return l
}
