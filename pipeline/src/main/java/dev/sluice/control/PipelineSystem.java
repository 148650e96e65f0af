// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import dev.sluice.metrics.RunCounters;
import dev.sluice.topology.Topology;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.apache.pekko.actor.typed.ActorSystem;

/** A topology at work, from start to end: the actor system and what can be asked of it from outside. */
public final class PipelineSystem {

    private final CompletableFuture<Outcome> outcome = new CompletableFuture<>();
    private final RunCounters counters = new RunCounters();
    private final Duration drainTimeout;
    private volatile Topology topology;
    private final ActorSystem<Guardian.Message> system;

    private PipelineSystem(Topology topology) {
        this.topology = topology;
        drainTimeout = topology.drainTimeout();
        Config config = topology.pekko()
                .withFallback(ConfigFactory.parseResources(PipelineSystem.class.getClassLoader(), "pekko.conf"))
                .withFallback(ConfigFactory.defaultReference(PipelineSystem.class.getClassLoader()))
                .resolve();
        system = ActorSystem.create(Guardian.create(topology, counters, outcome), "sluice", config);
    }

    /** Starts it. */
    public static PipelineSystem start(Topology topology) {
        return new PipelineSystem(topology);
    }

    /** What lives in it; for tests, which crash some of that. */
    ActorSystem<Guardian.Message> system() {
        return system;
    }

    /** What draining may take. */
    public Duration drainTimeout() {
        return drainTimeout;
    }

    /** Figures that move while it runs. */
    public RunCounters counters() {
        return counters;
    }

    /** Acquires no more, sends what was acquired, and ends within the drain time-out. */
    public void drain() {
        system.tell(new Guardian.Drain());
    }

    /**
     * Goes on as another topology says: nodes that changed are replaced, the rest goes on. What is not a node (time-outs,
     * Pekko's settings) stays as it was.
     */
    public void change(Topology to) {
        topology = to;
        system.tell(new Guardian.Change(to));
    }

    /** What it was last told to run. */
    public Topology topology() {
        return topology;
    }

    /** Completes when the pipeline has ended, however it did, and its device and sockets are closed. */
    public CompletableFuture<Outcome> outcome() {
        return outcome;
    }
}
