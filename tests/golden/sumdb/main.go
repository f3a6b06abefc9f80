// Command sumdb verifies the proof of an extract folder with the notes and trees of Go's module mirror, which
// Greenpark shares no code with.
//
//	sumdb FOLDER
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// leaf is the line of the manifest in the log, its fields in their order.
type leaf struct {
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	Sha256     string `json:"sha256"`
	Size       int    `json:"size"`
	RecordedAt int64  `json:"recorded_at"`
	Version    int64  `json:"version"`
}

func main() {
	log.SetFlags(0)
	folder := os.Args[1]
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			log.Fatal(err)
		}
		return string(text)
	}
	head, signed, found := strings.Cut(read("extract.tlog-proof"), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		log.Fatal("extract.tlog-proof is no proof")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		log.Fatal(err)
	}

	// The key of Ed25519; the mirror knows no SM2, and ignores its line.
	var verifiers []note.Verifier
	for _, line := range strings.Split(read("policy.txt"), "\n") {
		if !strings.HasPrefix(line, "log ") {
			continue
		}
		if verifier, err := note.NewVerifier(strings.TrimPrefix(line, "log ")); err == nil {
			verifiers = append(verifiers, verifier)
		}
	}
	opened, err := note.Open([]byte(signed), note.VerifierList(verifiers...))
	if err != nil {
		log.Fatal(err)
	}
	text := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(text[1], 10, 64)
	if err != nil {
		log.Fatal(err)
	}
	root, err := tlog.ParseHash(text[2])
	if err != nil {
		log.Fatal(err)
	}

	manifest := read("manifest.json")
	var of struct {
		Name string `json:"name"`
		AsOf int64  `json:"as_of_ms"`
	}
	if err := json.Unmarshal([]byte(manifest), &of); err != nil {
		log.Fatal(err)
	}
	digest := sha256.Sum256([]byte(manifest))
	line, err := json.Marshal(leaf{"extract", of.Name, hex.EncodeToString(digest[:]), len(manifest), of.AsOf, 0})
	if err != nil {
		log.Fatal(err)
	}
	var proof tlog.RecordProof
	for _, text := range lines[2:] {
		hash, err := tlog.ParseHash(text)
		if err != nil {
			log.Fatal(err)
		}
		proof = append(proof, hash)
	}
	if err := tlog.CheckRecord(proof, size, root, index, tlog.RecordHash(line)); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: leaf %d of %d, signed by %s\n", of.Name, index, size, opened.Sigs[0].Name)
}
