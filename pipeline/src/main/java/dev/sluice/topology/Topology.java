// SPDX-License-Identifier: Apache-2.0
package dev.sluice.topology;

import com.typesafe.config.Config;
import dev.sluice.device.DriverDevice;
import dev.sluice.device.ReplayDevice;
import dev.sluice.device.SimulatedDevice;
import dev.sluice.filter.Filter;
import dev.sluice.transport.Transports;
import dev.sluice.wire.Framing;
import java.time.Duration;
import java.util.List;
import java.util.function.Supplier;

/**
 * A pipeline as configured: one source, a chain of filters in the order in which frames pass them, one sink.
 *
 * @param drainTimeout what stopping may take
 * @param pekko the file's own {@code pekko} section, with the defaults
 */
public record Topology(Source source, List<FilterNode> filters, TcpSink sink, Duration drainTimeout, Config pekko) {

    /** Where frames come from. */
    public sealed interface Source {
        String name();
    }

    /** {@code type = driver}. */
    public record Driver(String name, DriverDevice.Settings settings) implements Source {}

    /** {@code type = simulated}. */
    public record Simulated(String name, SimulatedDevice.Settings settings) implements Source {}

    /** {@code type = replay}. */
    public record Replay(String name, ReplayDevice.Settings settings) implements Source {}

    /**
     * A filter of any type.
     *
     * @param maker makes the filter when the pipeline starts
     */
    public record FilterNode(String name, Supplier<Filter> maker) {}

    /**
     * {@code type = tcp}.
     *
     * @param host a name or address, looked up at each attempt to connect
     * @param sendBufferBytes SO_SNDBUF; 0 leaves it to the kernel
     */
    public record TcpSink(
            String name,
            String host,
            int port,
            Framing framing,
            int streamId,
            Transports.Options transport,
            int sendBufferBytes,
            Duration connectTimeout,
            Backoff backoff) {}

    /**
     * How long to wait before connecting again.
     *
     * @param jitter random share, 0 to 1, by which each wait is longer or shorter
     */
    public record Backoff(Duration min, Duration max, double jitter) {

        /**
         * The wait after {@code failures} failures in a row.
         *
         * @param random from 0 to 1
         */
        public Duration delay(int failures, double random) {
            double doubled = (double) min.toMillis() * (1L << Math.min(failures, 30));
            double millis = Math.min((double) max.toMillis(), doubled);
            return Duration.ofMillis(Math.round(millis * (1 + jitter * (2 * random - 1))));
        }
    }
}
