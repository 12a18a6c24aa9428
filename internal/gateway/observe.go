package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lanyardhq/lanyard/internal/caller"
)

// metrics are what the gateway counts. Labels are few and come from tables, never from clients.
type metrics struct {
	requests *prometheus.CounterVec   // by operation and status
	seconds  *prometheus.HistogramVec // by operation
	bytes    *prometheus.CounterVec   // by direction
}

func newMetrics() *metrics {
	return &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lanyard_s3_requests_total",
			Help: "S3 requests answered, by operation and status."}, []string{"operation", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "lanyard_s3_request_seconds",
			Help: "Time from the head of an S3 request to the end of its answer.", Buckets: []float64{.001, .005, .025, .1, .5, 2.5, 10, 60}}, []string{"operation"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lanyard_s3_bytes_total",
			Help: "Payload bytes received from and sent to S3 clients."}, []string{"direction"}),
	}
}

func (m *metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.requests, m.seconds, m.bytes}
}

// record counts the request and writes its line in the log: what succeeded at level Debug, because
// a line for each small object would cost more than the object; what was refused at Info; our own
// failures and the store's at Error. Queries are never logged: they may hold signatures.
func (c *call) record(err error) {
	op, took := c.op.String(), c.Now().Sub(c.now)
	c.metrics.requests.WithLabelValues(op, strconv.Itoa(c.status)).Inc()
	c.metrics.seconds.WithLabelValues(op).Observe(took.Seconds())
	c.metrics.bytes.WithLabelValues("in").Add(float64(c.received))
	c.metrics.bytes.WithLabelValues("out").Add(float64(c.sent))
	level := slog.LevelDebug
	switch {
	case c.status >= 500 && c.status != http.StatusNotImplemented && c.r.Context().Err() == nil:
		level = slog.LevelError
	case err != nil:
		level = slog.LevelInfo
	}
	ctx := c.r.Context()
	if !c.Log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("request_id", c.id), slog.String("method", c.r.Method), slog.String("operation", op),
		slog.Int("status", c.status), slog.Int64("bytes_in", c.received), slog.Int64("bytes_out", c.sent),
		slog.Float64("ms", float64(took.Microseconds())/1000), slog.String("address", caller.Address(c.r)), slog.String("bucket", c.at.Bucket)}
	if c.owner != nil {
		attrs = append(attrs, slog.String("project", c.owner.Name))
	}
	if c.key != nil {
		attrs = append(attrs, slog.String("access_key_id", c.key.PublicID))
	}
	c.Log.LogAttrs(ctx, level, "s3 request", append(attrs, c.failure(err)...)...)
}

// failure is what the log says of an error: the code and text that the client saw, and the cause.
func (c *call) failure(err error) []slog.Attr {
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		return nil
	case c.status < 300: // the answer had begun
		return []slog.Attr{slog.Any("cut_off", err)}
	}
	e := explain(err)
	attrs := []slog.Attr{slog.String("code", string(e.Code)), slog.String("message", e.Message)}
	if e.Cause != nil {
		attrs = append(attrs, slog.Any("err", e.Cause))
	}
	return attrs
}
