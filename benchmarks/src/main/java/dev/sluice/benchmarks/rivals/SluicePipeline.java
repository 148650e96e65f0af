// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.rivals;

import com.typesafe.config.ConfigFactory;
import dev.sluice.control.Outcome;
import dev.sluice.control.PipelineSystem;
import dev.sluice.metrics.SinkCounters;
import dev.sluice.topology.TopologyReader;
import java.io.IOException;

/** A pipeline as a user's topology file makes one: a device that is mapped, and a sink that connects. */
final class SluicePipeline implements SendLoop {

    /** What the name of such a rival begins with; settings of its sink follow. */
    static final String PREFIX = "sluice:";

    private static final String SINK = "tcp";

    /** The one reason to send plainly that is no fallback; any other would be measured under a wrong name. */
    private static final String ASKED_FOR = "transport = copy";

    private final int frameBytes;
    private final String transport;
    private final PipelineSystem system;
    private final SinkCounters counters;

    /** @param settings of the sink, in HOCON: transport, framing and whatever else */
    SluicePipeline(Ring ring, int port, String settings) throws IOException {
        frameBytes = ring.frameBytes();
        transport = ConfigFactory.parseString(settings).getString("transport");
        String topology = """
                sluice {
                  sources {
                    ring {
                      type = mapped, protocol = endless, device = "%s", buffer-size = %d, buffers = %d
                    }
                  }
                  sinks { %s { type = tcp, from = ring, connect = "127.0.0.1:%d", %s } }
                }
                """.formatted(ring.path(), ring.frameBytes(), ring.count(), SINK, port, settings);
        switch (TopologyReader.read(topology, "the benchmark's topology")) {
            case TopologyReader.Valid valid -> system = PipelineSystem.start(valid.topology());
            case TopologyReader.Invalid invalid ->
                throw new IOException(invalid.problems().toString());
        }
        counters = system.counters().sink(SINK);
    }

    @Override
    public long sentBytes() {
        return counters.framesSent.value() * frameBytes;
    }

    @Override
    public long copiedBytes() {
        return counters.send.copied.value();
    }

    @Override
    public long finish() throws IOException, Sender.UnavailableException {
        system.drain();
        Outcome outcome = system.outcome().join();
        if (outcome.exitCode() != 0) {
            throw new IOException("the pipeline did not end well: " + outcome.failure());
        }
        if (!counters.send.chosen().equals(transport)) {
            throw new Sender.UnavailableException("Sluice sent over " + counters.send.chosen());
        }
        String plainly = counters.send.plainReason();
        if (!plainly.isEmpty() && !plainly.equals(ASKED_FOR)) {
            throw new Sender.UnavailableException("Sluice sent plainly: " + plainly);
        }
        return sentBytes();
    }
}
