// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.metrics.DeviceCounts;
import dev.sluice.receive.Receiver;
import dev.sluice.receive.Report;
import dev.sluice.wire.Framing;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A user's flow among the filters: what it may do works, what it must not do is told, and no buffer is lost either way. */
class FlowIT {

    private static final int FRAMES = 500;

    @ParameterizedTest(name = "{0}, {1} buffers")
    @CsvSource({
        "identity, 2, 500",
        "identity, 16, 500",
        "async, 2, 500",
        "async, 16, 500",
        "map-async, 2, 500",
        "map-async, 16, 500",
        "drop-odd, 2, 250",
        "drop-odd, 16, 250",
        "drop-odd-later, 2, 250",
        "drop-odd-later, 16, 250",
        "drop-odd-silently, 4, 250",
        "drop-odd-silently, 16, 250",
        "drop-all, 2, 0",
    })
    void passesOnDelaysAndDrops(String how, int buffers, int expected) throws Exception {
        Receiver.Options options = new Receiver.Options(Framing.SLUICE, true, null, false);
        try (Receiver receiver = new Receiver(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), options)) {
            // In a thread of its own: the pool in which a flow completes its futures may have only one.
            CompletableFuture<Report> report = CompletableFuture.supplyAsync(
                    receiver::receive, task -> Thread.ofPlatform().daemon().start(task));
            PipelineSystem system = start(
                    how,
                    buffers,
                    "out { type = tcp, from = asks, connect = \"127.0.0.1:%d\" }"
                            .formatted(receiver.address().getPort()));
            // A receiver that gave up early would be waited for in vain.
            CompletableFuture<Report> drained = report.whenComplete((received, failure) -> system.drain());
            Outcome outcome = system.outcome().get(1, TimeUnit.MINUTES);

            Report received = drained.get(1, TimeUnit.MINUTES);
            assertThat(outcome.failure()).as("%s", received).isNull();
            assertThat(received.problem()).isEmpty();
            assertThat(received.frames()).isEqualTo(expected);
            assertThat(received.wrongBytes()).isZero();
            assertThat(received.verifiedBytes()).isEqualTo(received.bytes());
            everyBufferIsBack(system, buffers);
        }
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource({"take-10, 10", "take-none, 0"})
    void endsItsBranchAndLeavesTheOthersAlone(String how, int expected) throws Exception {
        PipelineSystem system =
                start(how, 4, "out { type = discard, from = asks }, all { type = discard, from = fpga }");
        Outcome outcome = system.outcome().get(1, TimeUnit.MINUTES);

        assertThat(outcome.failure()).isNull();
        assertThat(system.counters().sink("out").framesSent.value()).isEqualTo(expected);
        assertThat(system.counters().sink("all").framesSent.value()).isEqualTo(FRAMES);
        everyBufferIsBack(system, 4);
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource({"take-10, 10", "take-none, 0"})
    void endsThePipelineWithItsOnlyBranch(String how, int expected) throws Exception {
        PipelineSystem system = start(how, 4, "out { type = discard, from = asks }");
        Outcome outcome = system.outcome().get(1, TimeUnit.MINUTES);

        assertThat(outcome.failure()).isNull();
        assertThat(system.counters().sink("out").framesSent.value()).isEqualTo(expected);
        assertThat(system.counters().source("fpga").device().lent()).isZero();
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource({
        "fail, the other system is down",
        "fail-later, the other system is down",
        "twice, 'it passed on a frame twice, out of order'",
        "swapped, 'it passed on a frame twice, out of order'",
        "unordered, 'it passed on a frame twice, out of order'",
        "invent, or one that it had not been given",
        "is-null, 'its factory made no flow, but null'",
        "cannot-be-made, no address found",
    })
    void namesAFlowThatBreaksTheRules(String how, String message) throws Exception {
        PipelineSystem system =
                start(how, 16, "out { type = discard, from = asks }, all { type = discard, from = fpga }");
        Outcome outcome = system.outcome().get(1, TimeUnit.MINUTES);

        assertThat(outcome.exitCode()).isEqualTo(1);
        assertThat(outcome.failure()).isNotNull();
        assertThat(outcome.failure().getMessage()).contains("asks failed").contains(message);
        // What the flow may still be reading is kept for good, and counted; all else is back.
        long kept = system.counters().source("fpga").stuckBuffers.value();
        assertThat(kept).isLessThanOrEqualTo(8);
        assertThat(system.counters().source("fpga").device().lent()).isEqualTo((int) kept);
    }

    @Test
    void doesNotTakeAwayWhatAFlowThatFailedStillReads() throws Exception {
        PipelineSystem system = start(
                "fail-while-read", 16, "out { type = discard, from = asks }, all { type = discard, from = fpga }");
        Outcome outcome = system.outcome().get(1, TimeUnit.MINUTES);
        assertThat(outcome.failure()).hasMessageContaining("the other system is down");
        int begun = TestFlow.READ.get();
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
        while (TestFlow.READ.get() < 20 && System.nanoTime() < deadline) {
            Thread.onSpinWait();
        }
        assertThat(begun).as("frames read when the pipeline had ended").isLessThan(20);
        assertThat(TestFlow.READ.get()).isGreaterThanOrEqualTo(20);
        assertThat(TestFlow.CHANGED.get()).isZero();
    }

    private static PipelineSystem start(String how, int buffers, String sinks) throws Exception {
        return PipelineSystem.start(TopologyTexts.valid("""
                sluice {
                  sources { fpga {
                    type = simulated, buffer-size = 16KiB, buffers = %d, frames = %d, short-frames = 0.5, poison = true
                  } }
                  filters { asks { type = test-flow, from = fpga, how = %s } }
                  sinks { %s }
                }
                """.formatted(buffers, FRAMES, how, sinks)));
    }

    /** And so does not wait in between, with frames that it holds; unless it says where it wants to run. */
    @Test
    void runsOnThePipelinesOwnThread() throws Exception {
        TestFlow.THREADS.clear();
        PipelineSystem system = start("names-threads", 16, "out { type = discard, from = asks }");
        while (TestFlow.THREADS.size() < 2) {
            Thread.sleep(1);
        }
        system.drain();
        assertThat(system.outcome().get(1, TimeUnit.MINUTES).failure()).isNull();
        assertThat(TestFlow.THREADS).anyMatch(name -> name.startsWith("reactor-"));
        assertThat(TestFlow.THREADS).anyMatch(name -> name.contains("blocking"));
    }

    private static void everyBufferIsBack(PipelineSystem system, int buffers) {
        DeviceCounts device = system.counters().source("fpga").device();
        assertThat(device.lent()).isZero();
        assertThat(device.free()).isEqualTo(buffers);
        assertThat(device.frames()).isEqualTo(FRAMES);
    }
}
