// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import dev.sluice.linux.Constants;
import dev.sluice.linux.Epoll;
import dev.sluice.linux.EventFd;
import dev.sluice.linux.LinuxException;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one thread of a pipeline: it waits, on all its file descriptors at once, and runs what is to be done then. A
 * registration is armed for one event; when that comes, its handler is called on the reactor's thread and passes the word to
 * the stage or actor concerned. Spurious events happen, so whoever is told tries, without blocking, and arms again.
 *
 * <p>As an executor it runs tasks in turn with the handlers. The streams are run so ({@link ReactorDispatcher}): what an
 * event is for follows it on the same thread, where waking another one would cost more than sending a frame.
 */
public final class Reactor implements Executor, AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(Reactor.class);
    private static final long WAKE_UP = 0;

    /** Tasks that are run before it is looked for events again. */
    private static final int MOST_TASKS = 16;

    private final Epoll epoll = new Epoll();
    private final EventFd wakeUp = new EventFd();
    private final ConcurrentHashMap<Long, Registration> registrations = new ConcurrentHashMap<>();
    private final AtomicLong nextKey = new AtomicLong(WAKE_UP + 1);
    private final Queue<Runnable> tasks = new ConcurrentLinkedQueue<>();
    private final Executor afterwards;
    private final Thread thread;

    /** The thread waits, or is about to: who has something for it must wake it. */
    private final AtomicBoolean waiting = new AtomicBoolean();

    private volatile boolean closed;
    private volatile boolean ended;

    /** @param afterwards runs the tasks that still come when this is closed: actors end a little later than their streams */
    public Reactor(String pipeline, Executor afterwards) throws LinuxException {
        this.afterwards = afterwards;
        // By edges, so that it need not be cleared: each signal is an event.
        epoll.add(wakeUp.fd(), Constants.EPOLLIN | Constants.EPOLLET, WAKE_UP);
        thread = Thread.ofPlatform().name("reactor-" + pipeline).daemon().start(this::run);
    }

    /** Told of events on the reactor's thread; must not block and must not throw. */
    @FunctionalInterface
    public interface Handler {
        /**
         * Something happened on the descriptor.
         *
         * @param events EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP as they hold
         */
        void ready(int events);
    }

    /** Watches a descriptor, which stays the caller's. Nothing is reported before it is armed. */
    public Registration register(int fd, Handler handler) {
        Registration registration = new Registration(nextKey.getAndIncrement(), fd, handler);
        registrations.put(registration.key, registration);
        return registration;
    }

    /** One watched descriptor. Any thread may call. */
    public final class Registration implements AutoCloseable {

        private final long key;
        private final int fd;
        private final Handler handler;
        private boolean added;

        private Registration(long key, int fd, Handler handler) {
            this.key = key;
            this.fd = fd;
            this.handler = handler;
        }

        /** Asks for one event; errors and hang-ups are reported also when {@code events} is 0 (man 2 epoll_ctl). */
        public synchronized void arm(int events) throws LinuxException {
            if (added) {
                epoll.modify(fd, events | Constants.EPOLLONESHOT, key);
            } else {
                epoll.add(fd, events | Constants.EPOLLONESHOT, key);
                added = true;
            }
        }

        /** Called before the descriptor is closed. The handler may be in the middle of one last call. */
        @Override
        public synchronized void close() {
            if (registrations.remove(key) != null && added && !closed) {
                try {
                    epoll.remove(fd);
                } catch (LinuxException e) {
                    LOG.debug("descriptor {} was not watched any more", fd, e);
                }
            }
        }
    }

    @Override
    public void execute(Runnable task) {
        tasks.add(task);
        if (ended) {
            passOn();
        } else if (Thread.currentThread() != thread) {
            wake();
        }
    }

    private void wake() {
        if (waiting.compareAndSet(true, false)) {
            synchronized (wakeUp) { // not after it is closed: the descriptor may be another's by then
                if (!ended) {
                    wakeUp.signal();
                }
            }
        }
    }

    private void run() {
        try {
            while (!closed) {
                runSome();
                boolean idle = tasks.isEmpty();
                if (idle) {
                    waiting.set(true);
                    idle = tasks.isEmpty() && !closed; // who came before that did not wake this thread
                }
                int count = epoll.await(idle ? -1 : 0);
                waiting.set(false);
                for (int i = 0; i < count; i++) {
                    Registration registration = registrations.get(epoll.data(i));
                    if (registration != null) {
                        tell(registration, epoll.events(i));
                    }
                }
            }
        } catch (LinuxException e) {
            LOG.error("the reactor stopped: {}", e.getMessage());
        } finally {
            ended = true;
            passOn();
        }
    }

    private void runSome() {
        for (int i = 0; i < MOST_TASKS; i++) {
            Runnable task = tasks.poll();
            if (task == null) {
                return;
            }
            try {
                task.run();
            } catch (Throwable e) { // also what Scala throws without saying so, such as InterruptedException
                failed("a task failed", e);
            }
        }
    }

    private void passOn() {
        for (Runnable task; (task = tasks.poll()) != null; ) {
            afterwards.execute(task);
        }
    }

    /** A handler that fails is one pipeline's defect; the others are still to be told of their events. */
    private void tell(Registration registration, int events) {
        try {
            registration.handler.ready(events);
        } catch (Throwable e) {
            failed("an event of descriptor " + registration.fd + " was lost", e);
        }
    }

    /** The thread goes on: without it nobody would be told of anything. */
    private void failed(String what, Throwable failure) {
        LOG.error(what, failure);
        if (failure instanceof Error error) {
            afterwards.execute(() -> {
                throw error; // on a thread of Pekko's, which knows what is to become of the process
            });
        }
    }

    /** Ends the thread and waits for it. Once, and not on that thread. */
    @Override
    public void close() {
        closed = true;
        wake();
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        epoll.close();
        synchronized (wakeUp) {
            wakeUp.close();
        }
    }
}
