// asynq: `app work CONCURRENCY` is the worker, `app enqueue KIND N` the command line, `app version` the versions.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"math/rand"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "version" {
		version()
		return
	}
	var err error
	switch {
	case len(os.Args) == 3 && os.Args[1] == "work":
		err = work(integer(os.Args[2]))
	case len(os.Args) == 4 && os.Args[1] == "enqueue":
		err = enqueue(os.Args[2], integer(os.Args[3]))
	default:
		log.Fatalf("usage: %s work CONCURRENCY | enqueue KIND N | version", os.Args[0])
	}
	if err != nil {
		log.Fatal(err)
	}
}

// queues is what COMPARE_QUEUES=12 means: q0 to q11, each job on one of them by chance; else all is on `default`.
func queues() []string {
	count, _ := strconv.Atoi(os.Getenv("COMPARE_QUEUES"))
	if count <= 1 {
		return []string{"default"}
	}
	names := make([]string, count)
	for number := range names {
		names[number] = fmt.Sprintf("q%d", number)
	}
	return names
}

func work(concurrency int) error {
	server, err := asynq.ParseRedisURI(os.Getenv("COMPARE_REDIS_URL"))
	if err != nil {
		return err
	}
	options, err := redis.ParseURL(os.Getenv("COMPARE_SIDE_URL"))
	if err != nil {
		return err
	}
	weights := make(map[string]int)
	for _, name := range queues() {
		weights[name] = 1
	}
	settings := asynq.Config{Concurrency: concurrency, Queues: weights, LogLevel: asynq.WarnLevel}
	return asynq.NewServer(server, settings).Run(handlers(newRecord(), redis.NewClient(options)))
}

func enqueue(kind string, jobs int) error {
	server, err := asynq.ParseRedisURI(os.Getenv("COMPARE_REDIS_URL"))
	if err != nil {
		return err
	}
	client := asynq.NewClient(server)
	defer client.Close()
	if err := client.Ping(); err != nil {
		return err
	}
	names := queues()
	began := time.Now()
	for number := 1; number <= jobs; number++ {
		row := []any{number}
		switch kind {
		case "noop":
			row = []any{"string", number, map[string]string{"mike": "bob"}}
		case "wake":
			time.Sleep(5*time.Millisecond + time.Duration(rand.Int63n(int64(25*time.Millisecond))))
			row = []any{now()}
		}
		payload, err := json.Marshal(row)
		if err != nil {
			return err
		}
		queue := asynq.Queue(names[rand.Intn(len(names))])
		if _, err := client.Enqueue(asynq.NewTask(kind, payload), queue); err != nil {
			return err
		}
	}
	fmt.Printf("{\"seconds\": %f, \"jobs\": %d}\n", time.Since(began).Seconds(), jobs)
	return nil
}

func version() {
	text := runtime.Version()
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "github.com/hibiken/asynq" || module.Path == "github.com/redis/go-redis/v9" {
				text += fmt.Sprintf(", %s %s", module.Path, module.Version)
			}
		}
	}
	fmt.Println(text)
}

func integer(word string) int {
	number, err := strconv.Atoi(word)
	if err != nil {
		log.Fatalf("%q is not a number", word)
	}
	return number
}
