// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import java.util.List;
import java.util.concurrent.AbstractExecutorService;
import java.util.concurrent.TimeUnit;
import org.apache.pekko.actor.ActorSystem;
import org.apache.pekko.dispatch.Dispatcher;
import org.apache.pekko.dispatch.Dispatchers;
import org.apache.pekko.dispatch.MessageDispatcher;
import org.apache.pekko.dispatch.MessageDispatcherConfigurator;
import scala.concurrent.duration.Duration;
import scala.concurrent.duration.FiniteDuration;

/** Makes Pekko run a pipeline's streams on the thread of its {@link Reactor}. */
public final class ReactorDispatcher extends MessageDispatcherConfigurator {

    private static final FiniteDuration SHUTDOWN_TIMEOUT = FiniteDuration.create(1, TimeUnit.SECONDS);

    private final MessageDispatcher dispatcher;

    private ReactorDispatcher(String id, Reactor reactor, Dispatchers dispatchers) {
        super(dispatchers.defaultDispatcherConfig(), dispatchers.prerequisites());
        dispatcher = new Dispatcher(
                this,
                id,
                config().getInt("throughput"),
                Duration.Zero(),
                (name, threads) -> () -> new OnReactor(reactor),
                SHUTDOWN_TIMEOUT);
    }

    /** Makes it known by a name that no other has. */
    public static void register(ActorSystem system, String id, Reactor reactor) {
        if (!system.dispatchers().registerConfigurator(id, new ReactorDispatcher(id, reactor, system.dispatchers()))) {
            throw new IllegalArgumentException("there is a dispatcher " + id);
        }
    }

    @Override
    public MessageDispatcher dispatcher() {
        return dispatcher;
    }

    /** Pekko shuts it down when there was no actor for a while, and makes another if one comes; the reactor goes on. */
    private static final class OnReactor extends AbstractExecutorService {

        private final Reactor reactor;
        private volatile boolean shutDown;

        OnReactor(Reactor reactor) {
            this.reactor = reactor;
        }

        @Override
        public void execute(Runnable task) {
            reactor.execute(task);
        }

        @Override
        public void shutdown() {
            shutDown = true;
        }

        @Override
        public List<Runnable> shutdownNow() {
            shutDown = true;
            return List.of();
        }

        @Override
        public boolean isShutdown() {
            return shutDown;
        }

        @Override
        public boolean isTerminated() {
            return shutDown;
        }

        @Override
        public boolean awaitTermination(long timeout, TimeUnit unit) {
            return shutDown;
        }
    }
}
