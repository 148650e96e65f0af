// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.linux.Constants;
import dev.sluice.linux.EventFd;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class ReactorTest {

    private static final int TASKS = 20_000;

    private final ConcurrentLinkedQueue<Runnable> afterwards = new ConcurrentLinkedQueue<>();
    private Reactor reactor;

    @BeforeEach
    void open() throws Exception {
        reactor = new Reactor("test", afterwards::add);
    }

    @AfterEach
    void close() {
        reactor.close();
    }

    private Thread thread() throws Exception {
        CompletableFuture<Thread> thread = new CompletableFuture<>();
        reactor.execute(() -> thread.complete(Thread.currentThread()));
        return thread.get(10, TimeUnit.SECONDS);
    }

    /** One at a time, so that it waits in between: a wake-up that gets lost is one for ever. */
    @Test
    void noWakeUpIsLost() throws Exception {
        for (int i = 0; i < TASKS; i++) {
            CompletableFuture<Boolean> done = new CompletableFuture<>();
            reactor.execute(() -> done.complete(true));
            assertThat(done.get(10, TimeUnit.SECONDS)).isTrue();
        }
    }

    @Test
    void everyTaskRunsOnceAndOnOneThread() throws Exception {
        AtomicInteger ran = new AtomicInteger();
        int[] unguarded = new int[1];
        List<Thread> callers = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            callers.add(Thread.ofPlatform().start(() -> {
                for (int task = 0; task < TASKS; task++) {
                    reactor.execute(() -> {
                        unguarded[0]++;
                        reactor.execute(ran::incrementAndGet); // from its own thread
                    });
                }
            }));
        }
        for (Thread caller : callers) {
            caller.join();
        }
        while (ran.get() < 4 * TASKS) {
            Thread.sleep(1);
        }
        CompletableFuture<Integer> counted = new CompletableFuture<>();
        reactor.execute(() -> counted.complete(unguarded[0]));
        assertThat(counted.get(10, TimeUnit.SECONDS)).isEqualTo(4 * TASKS);
    }

    /** A task that makes the next has it run, and events have their turn nevertheless. */
    @Test
    void tasksWithoutEndDoNotHoldEventsUp() throws Exception {
        try (EventFd event = new EventFd()) {
            CompletableFuture<Integer> told = new CompletableFuture<>();
            Reactor.Registration registration = reactor.register(event.fd(), told::complete);
            reactor.execute(new Runnable() {
                @Override
                public void run() {
                    if (!told.isDone()) {
                        reactor.execute(this);
                    }
                }
            });
            registration.arm(Constants.EPOLLIN);
            event.signal();
            assertThat(told.get(10, TimeUnit.SECONDS)).isEqualTo(Constants.EPOLLIN);
            registration.close();
        }
    }

    @Test
    void whatATaskThrowsDoesNotEndTheThread() throws Exception {
        Thread before = thread();
        reactor.execute(() -> {
            throw new IllegalStateException("on purpose");
        });
        reactor.execute(() -> throwAnything(new InterruptedException("on purpose")));
        reactor.execute(() -> {
            throw new LinkageError("on purpose");
        });
        assertThat(thread()).isSameAs(before);
        assertThat(afterwards).hasSize(1);
        assertThatThrownBy(() -> afterwards.remove().run()).isInstanceOf(LinkageError.class);
    }

    @Test
    void whatAHandlerThrowsDoesNotEndTheThread() throws Exception {
        Thread before = thread();
        try (EventFd event = new EventFd()) {
            Reactor.Registration registration = reactor.register(event.fd(), events -> {
                throw new LinkageError("on purpose");
            });
            registration.arm(Constants.EPOLLIN);
            event.signal();
            while (afterwards.isEmpty()) {
                Thread.sleep(1);
            }
            registration.close();
        }
        assertThat(thread()).isSameAs(before);
    }

    @Test
    void whatComesWhenItIsClosedIsPassedOn() throws Exception {
        Reactor other = new Reactor("other", afterwards::add);
        CompletableFuture<Thread> thread = new CompletableFuture<>();
        other.execute(() -> thread.complete(Thread.currentThread()));
        assertThat(thread.get(10, TimeUnit.SECONDS).isAlive()).isTrue();
        other.close();
        assertThat(thread.get().isAlive()).isFalse();
        other.execute(() -> {});
        assertThat(afterwards).hasSize(1);
    }

    @SuppressWarnings("unchecked")
    private static <T extends Throwable> void throwAnything(Throwable failure) throws T {
        throw (T) failure;
    }
}
