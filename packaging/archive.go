package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"path"
	"time"
)

// archive makes what people unpack and run: a .zip for Windows, a .tar.gz for the others.
func (p *product) archive(t target, binary file) (file, error) {
	name := "omniproxy_" + p.version.file() + "_" + t.goos + "_" + t.goarch
	files, err := p.texts(name)
	if err != nil {
		return file{}, err
	}
	binary.name = path.Join(name, binary.name)
	files = append(files, binary)
	if t.goos == "windows" {
		content, err := zipped(files, p.time)
		return file{name + ".zip", 0o644, content}, err
	}
	files = append(files, file{name + "/omniproxy.1", 0o644, p.man})
	for _, shell := range []string{"bash", "fish", "zsh"} {
		script := p.complete[shell]
		script.name = path.Join(name, "completions", script.name)
		files = append(files, script)
	}
	content, err := tarGz(files, p.time)
	return file{name + ".tar.gz", 0o644, content}, err
}

// tarGz packs files that belong to root. Each was modified at t.
func tarGz(files []file, t time.Time) ([]byte, error) {
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	for _, f := range files {
		h := &tar.Header{
			Name: f.name, Mode: int64(f.mode.Perm()), Size: int64(len(f.content)), ModTime: t,
			Typeflag: tar.TypeReg, Format: tar.FormatGNU, Uname: "root", Gname: "root",
		}
		if f.name[len(f.name)-1] == '/' {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return gzipped(packed.Bytes())
}

// zipped packs files. Each was modified at t.
func zipped(files []file, t time.Time) ([]byte, error) {
	var packed bytes.Buffer
	w := zip.NewWriter(&packed)
	for _, f := range files {
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: t}
		h.SetMode(f.mode)
		fw, err := w.CreateHeader(h)
		if err != nil {
			return nil, err
		}
		if _, err := fw.Write(f.content); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return packed.Bytes(), err
}

// gzipped compresses content and notes neither a name nor a time.
func gzipped(content []byte) ([]byte, error) {
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	err = w.Close()
	return packed.Bytes(), err
}
