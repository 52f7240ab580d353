package main

import (
	"go.uber.org/zap"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/metrics"
)

// export begins to answer Prometheus, if --metrics-listen says so, and gives each service what counts for it.
func (p *process) export() error {
	o := p.settings.Observability
	if o.MetricsListen == (Address{}) {
		return nil
	}
	problems, err := zap.NewStdLogAt(p.log, zap.WarnLevel)
	if err != nil {
		return err
	}
	l, err := listen("metrics-listen", o.MetricsListen)
	if err != nil {
		return err
	}
	lines := linesOf(p.log)
	p.exporter = metrics.New(versionOf(version, buildInfo()), o.Pprof, metrics.Lines{Warnings: lines.warnings.Load, Errors: lines.errors.Load})
	for i, name := range p.names() {
		v := p.services[i]
		if v.settings.Backend == "redis" {
			v.metrics = p.exporter.Redis(name, v.settings.Prefix)
		} else {
			v.metrics = p.exporter.JSON(name, v.settings.Prefix, v.settings.DB)
		}
	}
	bound := Address{o.MetricsListen.Network, l.Addr().String()}
	if exposed, err := thisMachine().exposed(bound); exposed || err != nil {
		p.log.Warn("whoever reaches --metrics-listen can read it without a password: the names of commands, topics and agents", zap.Stringer("address", bound))
	}
	p.log.Info("metrics, health and readiness are answered by HTTP", zap.Stringer("address", bound), zap.Bool("pprof", o.Pprof))
	go func() {
		if err := p.exporter.Serve(l, problems); err != nil {
			p.log.Error("metrics are not answered any more", zap.Error(err))
		}
	}()
	return nil
}

// names tells services apart: by their backend, or where several have the same one, by what is behind it.
func (p *process) names() []string {
	count := map[string]int{}
	for _, v := range p.services {
		count[v.settings.Backend]++
	}
	names := make([]string, len(p.services))
	for i, v := range p.services {
		switch names[i] = v.settings.Backend; {
		case count[names[i]] == 1:
		case names[i] == "redis":
			names[i] = shownUpstream(v.settings)
		default:
			names[i] += ":" + v.settings.Dir
		}
	}
	return names
}

// unseen logs that Redis does not tell the exporter about the event bus.
func unseen(log *zap.Logger) func(error) {
	return func(err error) {
		if err != nil {
			log.Warn("cannot read the event bus for the metrics; it is tried again every 15 seconds", zap.String("error", redact(err.Error())))
			return
		}
		log.Info("the event bus can be read for the metrics")
	}
}
