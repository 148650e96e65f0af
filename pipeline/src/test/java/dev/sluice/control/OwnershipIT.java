// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.faults.Direction;
import dev.sluice.faults.Fault;
import dev.sluice.faults.FaultProxy;
import dev.sluice.faults.Planned;
import dev.sluice.metrics.DeviceCounts;
import dev.sluice.metrics.Summary;
import dev.sluice.receive.Receiver;
import dev.sluice.receive.Report;
import dev.sluice.wire.Framing;
import dev.sluice.wire.Greeting;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The one rule, under stress: a producer that poisons every buffer the moment it is released, and a receiver that checks
 * every word. A buffer given back too early would be seen as poison.
 */
class OwnershipIT {

    private static final int FRAMES = 10_000;
    private static final int BUFFERS = 16;
    private static final long SEED = Long.getLong("sluice.seed", System.nanoTime());

    @ParameterizedTest(name = "transport = {0}, zerocopy-threshold = {1}")
    @CsvSource({"zerocopy, 0", "uring, 0", "auto, 10KiB", "copy, 0"})
    void noPoisonReachesAReceiverThatStopsReadingForSeconds(String transport, String threshold) throws Exception {
        // Two to six stalls of 2 s in 10,000 frames of 32 KiB on average.
        Run run = run(transport, threshold, stall(100L << 20, Duration.ofSeconds(2)));

        assertThat(run.stalls()).as(run.toString()).isPositive();
        assertThat(run.report().wrongBytes()).as(run.toString()).isZero();
        assertThat(run.report().problem()).as(run.toString()).isEmpty();
        assertThat(run.report().frames()).as(run.toString()).isEqualTo(FRAMES);
        assertThat(run.report().bytes())
                .as(run.toString())
                .isEqualTo(run.source().acquiredBytes());
        assertThat(run.report().verifiedBytes())
                .as(run.toString())
                .isEqualTo(run.report().bytes());
        everyBufferIsBack(run);
    }

    @ParameterizedTest
    @ValueSource(strings = {"zerocopy", "uring"})
    void noPoisonReachesAReceiverWhoseConnectionBreaksAgainAndAgain(String transport) throws Exception {
        // A connection lives for 4 to 12 MiB and stalls after 6 to 18: some break with a full queue, some with a short
        // one.
        Planned reset =
                Planned.every(8L << 20, Direction.TO_TARGET, new Fault.Reset()).atMost(30);
        Run run = run(transport, "0", stall(12L << 20, Duration.ofMillis(500)), reset);

        assertThat(run.resets()).as(run.toString()).isPositive();
        assertThat(run.sink().reconnects()).as(run.toString()).isEqualTo(run.resets());
        assertThat(run.report().wrongBytes()).as(run.toString()).isZero();
        assertThat(run.report().problem()).as(run.toString()).isEmpty();
        // Live delivery: what was on its way when a connection broke is missing, announced, and nothing else is.
        assertThat(run.report().bytes() + run.report().lostBytes())
                .as(run.toString())
                .isEqualTo(run.source().acquiredBytes());
        assertThat(run.report().skippedBytes()).as(run.toString()).isZero();
        everyBufferIsBack(run);
    }

    /** While the socket is full, the stage has its turn for all else: acknowledgements, times, and to be told to end. */
    @ParameterizedTest
    @CsvSource({"copy, live", "zerocopy, live", "uring, live", "splice, resume"})
    void aReceiverThatReadsNothingIsGivenUpInTime(String transport, String delivery) throws Exception {
        try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            PipelineSystem system = PipelineSystem.start(
                    TopologyTexts.valid("""
                    sluice {
                      drain-timeout = 300ms
                      sources { fpga { type = simulated, buffer-size = 64KiB, buffers = %d, rate = 200MB } }
                      sinks { out {
                        type = tcp, from = fpga, connect = "127.0.0.1:%d", delivery = %s
                        transport = %s, zerocopy-threshold = 0, plain-after-copied = 0, send-buffer = 64KiB
                      } }
                    }
                    """.formatted(BUFFERS * 8, server.getLocalPort(), delivery, transport)));
            try (Socket silent = server.accept()) {
                Greeting.answer(silent);
                while (system.counters().source("fpga").device().lostBytes() == 0) {
                    Thread.onSpinWait();
                }
                system.drain();
                assertThat(system.outcome().get(15, TimeUnit.SECONDS).failure())
                        .hasMessageContaining("gave up draining");
            }
        }
    }

    private static void everyBufferIsBack(Run run) {
        assertThat(run.device().lent()).as(run.toString()).isZero();
        assertThat(run.device().free()).as(run.toString()).isEqualTo(BUFFERS);
        assertThat(run.source().stuckBuffers()).as(run.toString()).isZero();
        assertThat(run.sink().unsettledBytes()).as(run.toString()).isZero();
        assertThat(run.sink().framesSent()).as(run.toString()).isEqualTo(FRAMES);
        assertThat(run.failure()).as(run.toString()).isEmpty();
    }

    private record Run(
            long seed, int stalls, int resets, Summary summary, String failure, DeviceCounts device, Report report) {

        Summary.SourceSummary source() {
            return summary.sources().getFirst();
        }

        Summary.SinkSummary sink() {
            return summary.sinks().getFirst();
        }
    }

    /** While it lasts, the sender's queue fills with references to its buffers. */
    private static Planned stall(long meanBytes, Duration pause) {
        return Planned.every(meanBytes, Direction.TO_TARGET, new Fault.Stall(pause));
    }

    private static Run run(String transport, String threshold, Planned... faults) throws Exception {
        Receiver.Options options = new Receiver.Options(Framing.SLUICE, true, null, true);
        try (Receiver receiver = new Receiver(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), options);
                FaultProxy proxy = new FaultProxy(receiver.address(), SEED, faults)) {
            CompletableFuture<Report> report = CompletableFuture.supplyAsync(receiver::receive);
            PipelineSystem system = PipelineSystem.start(TopologyTexts.valid(
                    """
                    sluice {
                      sources { fpga {
                        type = simulated, buffer-size = 64KiB, buffers = %d, frames = %d
                        short-frames = 1, poison = true, seed = %d
                      } }
                      sinks { out {
                        type = tcp, from = fpga, connect = "127.0.0.1:%d"
                        transport = %s, zerocopy-threshold = %s, plain-after-copied = 0
                        reconnect-min = 10ms, reconnect-max = 50ms
                      } }
                    }
                    """.formatted(BUFFERS, FRAMES, SEED, proxy.address().getPort(), transport, threshold)));
            // A receiver that gave up early would be waited for in vain.
            CompletableFuture<Void> drained = report.thenRun(system::drain);
            Outcome outcome = system.outcome().get(5, TimeUnit.MINUTES);
            if (outcome.failure() != null) {
                throw new AssertionError("seed " + SEED, outcome.failure());
            }
            return new Run(
                    SEED,
                    proxy.count(Fault.Stall.class),
                    proxy.count(Fault.Reset.class),
                    outcome.summary(),
                    outcome.failure() == null ? "" : outcome.failure().toString(),
                    system.counters().source("fpga").device(),
                    drained.thenCombine(report, (done, received) -> received).get(1, TimeUnit.MINUTES));
        }
    }
}
