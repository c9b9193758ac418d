package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// handlers has one handler a kind of job; the arguments are a JSON array, as everybody's are.
func handlers(told *record, side *redis.Client) *asynq.ServeMux {
	mux := asynq.NewServeMux()
	mux.HandleFunc("noop", func(_ context.Context, task *asynq.Task) error {
		var text string
		var number int64
		var options map[string]string
		if err := json.Unmarshal(task.Payload(), &[]any{&text, &number, &options}); err != nil {
			return err
		}
		return told.ran(number)
	})
	mux.HandleFunc("sleep", resting(told, 10*time.Millisecond))
	mux.HandleFunc("asleep", resting(told, 50*time.Millisecond))
	mux.HandleFunc("middle", numbered(func(ctx context.Context, number int64) error {
		if err := told.began(); err != nil {
			return err
		}
		stored, err := side.Get(ctx, "compare:doc").Bytes()
		if err != nil {
			return err
		}
		var document any
		if err := json.Unmarshal(stored, &document); err != nil {
			return err
		}
		return told.ended(number)
	}))
	mux.HandleFunc("wake", numbered(func(_ context.Context, sent int64) error {
		return told.append(now() - sent)
	}))
	mux.HandleFunc("slow", numbered(func(_ context.Context, number int64) error {
		if err := told.append(number); err != nil {
			return err
		}
		time.Sleep(200 * time.Millisecond)
		return told.append(-number)
	}))
	return mux
}

func resting(told *record, pause time.Duration) asynq.HandlerFunc {
	return numbered(func(_ context.Context, number int64) error {
		if err := told.began(); err != nil {
			return err
		}
		time.Sleep(pause)
		return told.ended(number)
	})
}

// numbered is a handler of a task whose only argument is a number.
func numbered(perform func(context.Context, int64) error) asynq.HandlerFunc {
	return func(ctx context.Context, task *asynq.Task) error {
		var row [1]int64
		if err := json.Unmarshal(task.Payload(), &row); err != nil {
			return err
		}
		return perform(ctx, row[0])
	}
}
