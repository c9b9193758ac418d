package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// What the jobs tell of themselves: apps/record.py for Go, same modes, same formats.
type record struct {
	path     string
	jobs     int64
	counting bool
	begun    atomic.Int64
	done     atomic.Int64
	first    atomic.Int64
	open     sync.Once
	file     *os.File
}

func newRecord() *record {
	jobs, _ := strconv.ParseInt(os.Getenv("COMPARE_JOBS"), 10, 64)
	return &record{path: os.Getenv("COMPARE_RECORD"), jobs: jobs, counting: os.Getenv("COMPARE_MODE") == "count"}
}

// now is CLOCK_MONOTONIC in nanoseconds, the clock of all contenders; Go's own monotonic reading has another origin.
func now() int64 {
	const monotonic = 1
	var at syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, monotonic, uintptr(unsafe.Pointer(&at)), 0)
	return at.Nano()
}

// append writes one entry of 16 bytes, whatever the mode.
func (r *record) append(value int64) error {
	var entry [16]byte
	binary.LittleEndian.PutUint64(entry[:], uint64(now()))
	binary.LittleEndian.PutUint64(entry[8:], uint64(value))
	var failed error
	r.open.Do(func() {
		r.file, failed = os.OpenFile(r.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	})
	if failed != nil {
		return failed
	}
	_, failed = r.file.Write(entry[:])
	return failed
}

func (r *record) began() error {
	if !r.counting {
		return r.append(0)
	}
	if r.begun.Add(1) > 1 {
		return nil
	}
	r.first.Store(now())
	return os.WriteFile(r.path+".first", nil, 0o644)
}

func (r *record) ended(number int64) error {
	if !r.counting {
		return r.append(number)
	}
	if r.done.Add(1) != r.jobs {
		return nil
	}
	text := fmt.Sprintf(`{"first": %d, "last": %d, "jobs": %d}`, r.first.Load(), now(), r.jobs)
	if err := os.WriteFile(r.path+".new", []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(r.path+".new", r.path)
}

// ran is for a job that does nothing else.
func (r *record) ran(number int64) error {
	if r.counting {
		if err := r.began(); err != nil {
			return err
		}
	}
	return r.ended(number)
}
