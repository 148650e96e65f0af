// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.rivals;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigRenderOptions;
import dev.sluice.control.Outcome;
import dev.sluice.control.PipelineSystem;
import dev.sluice.metrics.SinkCounters;
import dev.sluice.topology.TopologyReader;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.ToLongFunction;

/**
 * A pipeline as a user's topology file makes one: a device that is mapped, and a sink that connects to each port; or one
 * that listens there, if it is to have several receivers.
 */
final class SluicePipeline implements SendLoop {

    /** What the name of such a rival begins with; settings of its sink follow. */
    static final String PREFIX = "sluice:";

    /** Of the settings, what is not the sink's: how many sources its frames come from, which share the ring's memory. */
    private static final String SOURCES = "sources";

    private static final String RECEIVERS = "receivers";

    private static final int STEP_MILLIS = 10;
    private static final int MOST_TRIES = 3000;

    /** The one reason to send plainly that is no fallback; any other would be measured under a wrong name. */
    private static final String ASKED_FOR = "transport = copy";

    private final int frameBytes;
    private final String transport;
    private final PipelineSystem system;
    private final List<SinkCounters> sinks = new ArrayList<>();

    /** @param settings of the sinks, in HOCON: transport, framing and whatever else */
    SluicePipeline(Ring ring, int[] ports, String settings) throws IOException, InterruptedException {
        frameBytes = ring.frameBytes();
        Config given = ConfigFactory.parseString("sources = 1, " + settings);
        transport = given.getString("transport");
        Config sink = given.withoutPath(SOURCES);
        String end = given.hasPath(RECEIVERS) ? "listen" : "connect";
        StringBuilder topology = new StringBuilder();
        List<String> sources = new ArrayList<>();
        for (int i = 0; i < given.getInt(SOURCES); i++) {
            sources.add("ring" + i);
            topology.append("""
                    sluice.sources.ring%d {
                      type = mapped, protocol = endless, device = "%s", buffer-size = %d, buffers = %d
                    }
                    """.formatted(i, ring.path(), ring.frameBytes(), ring.count()));
        }
        for (int port : ports) {
            topology.append("""
                    sluice.sinks.to%d = %s
                    sluice.sinks.to%1$d { type = tcp, from = %s, %s = "127.0.0.1:%1$d" }
                    """.formatted(port, sink.root().render(ConfigRenderOptions.concise()), sources, end));
        }
        switch (TopologyReader.read(topology.toString(), "the benchmark's topology")) {
            case TopologyReader.Valid valid -> system = PipelineSystem.start(valid.topology());
            case TopologyReader.Invalid invalid ->
                throw new IOException(invalid.problems().toString());
        }
        for (int port : ports) {
            sinks.add(system.counters().sink("to" + port));
        }
        if (given.hasPath(RECEIVERS)) {
            awaitReceivers(given.getInt(RECEIVERS));
        }
    }

    /** One that is not accepted when it ends would be cut off. */
    private void awaitReceivers(int count) throws IOException, InterruptedException {
        for (int tries = 0; sum(sink -> sink.receivers.value()) < count; tries++) {
            if (tries == MOST_TRIES) {
                throw new IOException("not all receivers have connected within 30 s");
            }
            TimeUnit.MILLISECONDS.sleep(STEP_MILLIS);
        }
    }

    @Override
    public long sentBytes() {
        return sum(sink -> sink.framesSent.value()) * frameBytes;
    }

    @Override
    public long copiedBytes() {
        return sum(sink -> sink.send.copied.value());
    }

    private long sum(ToLongFunction<SinkCounters> counted) {
        return sinks.stream().mapToLong(counted).sum();
    }

    @Override
    public long finish() throws IOException, Sender.UnavailableException {
        system.drain();
        Outcome outcome = system.outcome().join();
        if (outcome.exitCode() != 0) {
            throw new IOException("the pipeline did not end well: " + outcome.failure());
        }
        for (SinkCounters sink : sinks) {
            if (!sink.send.chosen().equals(transport)) {
                throw new Sender.UnavailableException("Sluice sent over " + sink.send.chosen());
            }
            String plainly = sink.send.plainReason();
            if (!plainly.isEmpty() && !plainly.equals(ASKED_FOR)) {
                throw new Sender.UnavailableException("Sluice sent plainly: " + plainly);
            }
        }
        return sentBytes();
    }
}
