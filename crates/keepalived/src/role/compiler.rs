//! The compiler of a role: a thread beside its loop that makes models of configurations.
//!
//! The loop hands over sealed bytes and goes on; the thread is an ordinary one, however urgent the role is, and rings when
//! a model is ready. Of several configurations the newest counts. What is done with a model, and that the role keeps the
//! one it has when there is no other, is not decided here.

use super::Kind;
use crate::bug;
use crate::configuration::{Compiled, Model, compile};
use crate::ipc;
use linux::SysError;
use linux::bell::Bell;
use linux::memfd::Sealed;
use linux::sched::{self, Scheduling};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// The stack of the thread in bytes: that in which the hostile configurations of the tests are compiled.
const STACK: usize = 2 * 1024 * 1024;

/// Makes a model of what was sealed.
type Work = dyn Fn(&Sealed) -> Result<Model, SysError> + Send + Sync;

/// What came of it.
type Product = Result<Box<Model>, SysError>;

/// The loop's side.
pub(super) struct Compiler {
    work: Arc<Work>,
    done: Arc<Done>,
    /// From the first configuration on.
    thread: Option<Thread>,
    /// Counts configurations: what comes of an older one than this is not wanted any more.
    newest: u64,
    task: Option<Task>,
}

/// The newest configuration.
struct Task {
    generation: u64,
    /// The role is to run it.
    ordered: bool,
    /// `None`: not ready yet.
    product: Option<Product>,
}

/// The loop's ends of the ways to the thread. Neither makes the loop wait: the thread never sleeps on `jobs`, so that
/// sending wakes nobody and takes no lock.
struct Thread {
    jobs: Sender<Job>,
    wake: Arc<Bell>,
}

enum Job {
    Compile { number: u64, sealed: Sealed },
    Drop(Box<dyn Send>),
}

/// The way back.
struct Done {
    /// Taken by the loop only if it is free. The thread rings after it has let go, so the loop comes again.
    products: Mutex<Vec<(u64, Product)>>,
    bell: Bell,
}

impl Compiler {
    /// For a role of this kind.
    pub(super) fn new(kind: Kind) -> Result<Compiler, SysError> {
        Compiler::with(Arc::new(move |sealed: &Sealed| {
            // The supervisor compiles the same bytes and logs what there is to say about them.
            let Compiled { mut model, .. } = compile(&ipc::unseal(sealed)?);
            keep_needed(kind, &mut model);
            Ok(model)
        }))
    }

    fn with(work: Arc<Work>) -> Result<Compiler, SysError> {
        let done = Done {
            products: Mutex::default(),
            bell: Bell::new()?,
        };
        Ok(Compiler {
            work,
            done: Arc::new(done),
            thread: None,
            newest: 0,
            task: None,
        })
    }

    /// Begins with a configuration that may be ordered later. One before it is given up.
    pub(super) fn prepare(&mut self, generation: u64, sealed: Sealed, scheduling: &Scheduling) {
        self.forget();
        self.newest += 1;
        let number = self.newest;
        let begun = self.hand_over(Job::Compile { number, sealed }, scheduling);
        self.task = Some(Task {
            generation,
            ordered: false,
            product: begun.err().map(Err),
        });
    }

    /// The role is to run this configuration, which may have been prepared: [`Compiler::finished`] gives it.
    pub(super) fn order(&mut self, generation: u64, sealed: Sealed, scheduling: &Scheduling) {
        if self.task.as_ref().is_none_or(|task| task.generation != generation) {
            self.prepare(generation, sealed, scheduling);
        }
        if let Some(task) = &mut self.task {
            task.ordered = true;
        }
    }

    /// The configuration that was prepared or ordered is not wanted any more.
    pub(super) fn forget(&mut self) {
        if let Some(product) = self.task.take().and_then(|task| task.product) {
            self.discard(product);
        }
    }

    /// Whether a configuration was ordered and is not ready yet.
    pub(super) fn is_busy(&self) -> bool {
        self.task.as_ref().is_some_and(|task| task.ordered)
    }

    /// The configuration that was ordered, once it is ready: its number and what it means, or why nobody knows. To be
    /// asked whenever the descriptor is readable, and after an order.
    pub(super) fn finished(&mut self) -> Result<Option<(u64, Product)>, SysError> {
        if self.done.bell.heard()? {
            let found = self
                .done
                .products
                .try_lock()
                .map(|mut products| std::mem::take(&mut *products));
            for (number, product) in found.unwrap_or_default() {
                match &mut self.task {
                    Some(task) if number == self.newest => task.product = Some(product),
                    Some(_) | None => self.discard(product),
                }
            }
        }
        let ready = |task: &mut Task| task.ordered && task.product.is_some();
        let task = self.task.take_if(ready);
        Ok(task.and_then(|task| Some((task.generation, task.product?))))
    }

    /// Drops something beside the loop: what took long to make takes long to take apart.
    pub(super) fn discard(&self, what: impl Send + 'static) {
        let Some(thread) = &self.thread else { return };
        if thread.jobs.send(Job::Drop(Box::new(what))).is_ok() {
            // It is dropped with the next configuration at the latest.
            let _ = thread.wake.ring();
        }
    }

    fn hand_over(&mut self, job: Job, scheduling: &Scheduling) -> Result<(), SysError> {
        let thread = match &self.thread {
            Some(thread) => thread,
            None => self.thread.insert(self.start(scheduling)?),
        };
        let gone = || {
            SysError::new(
                "hand over a configuration",
                "",
                io::Error::other("the compiler has ended"),
            )
        };
        let handed = thread
            .jobs
            .send(job)
            .map_err(|_| gone())
            .and_then(|()| thread.wake.ring());
        if handed.is_err() {
            // The next configuration gets another one.
            self.thread = None;
        }
        handed
    }

    fn start(&self, scheduling: &Scheduling) -> Result<Thread, SysError> {
        let (jobs, orders) = channel();
        let wake = Arc::new(Bell::new()?);
        let (bell, done) = (Arc::clone(&wake), Arc::clone(&self.done));
        let (work, scheduling) = (Arc::clone(&self.work), scheduling.clone());
        thread::Builder::new()
            .name("compiler".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                // Should it remain urgent it competes with the loop, as it did without a thread.
                let _ = sched::become_ordinary(&scheduling);
                // A bell that cannot be heard: the end of the thread is noticed at the next configuration.
                while bell.wait().is_ok() && compile_all(&*work, &orders, &done) {}
            })
            .map_err(|source| SysError::new("start a thread", "compiler", source))?;
        Ok(Thread { jobs, wake })
    }
}

impl AsFd for Compiler {
    /// Readable when a configuration may be ready.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.done.bell.as_fd()
    }
}

impl Drop for Compiler {
    fn drop(&mut self) {
        if let Some(Thread { jobs, wake }) = self.thread.take() {
            drop(jobs);
            // Without it the thread sleeps on until the process ends.
            let _ = wake.ring();
        }
    }
}

/// Sees to what was handed over; false if nothing can be handed over any more.
fn compile_all(work: &Work, orders: &Receiver<Job>, done: &Done) -> bool {
    loop {
        let mut newest = None;
        loop {
            match orders.try_recv() {
                Ok(Job::Compile { number, sealed }) => newest = Some((number, sealed)),
                Ok(Job::Drop(what)) => drop(what),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        let Some((number, sealed)) = newest else { return true };
        let product = bug::contained(|| work(&sealed)).unwrap_or_else(|| {
            let why = io::Error::other("internal error");
            Err(SysError::new("compile a configuration", "", why))
        });
        let product = product.map(Box::new);
        let mut products = done.products.lock().unwrap_or_else(PoisonError::into_inner);
        products.push((number, product));
        drop(products);
        if done.bell.ring().is_err() {
            return false;
        }
    }
}

/// Drops what a role has no use for: on a large site that is most of a model.
pub(super) fn keep_needed(kind: Kind, model: &mut Model) {
    match kind {
        Kind::Vrrp => {
            model.servers = Default::default();
            model.bfd = Default::default();
            // Dumps show who is told.
            return;
        }
        Kind::Bfd => {
            model.servers = Default::default();
            model.vrrp = Default::default();
            model.tracking = Default::default();
        }
        Kind::Check => model.bfd = Default::default(),
        // It shows everything.
        Kind::Manage => return,
    }
    // Who is told of what is the supervisor's.
    model.notify.clear();
    model.notify_groups.clear();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    /// What the name of a router says of the bytes it was made of.
    fn named(sealed: &Sealed) -> Result<Model, SysError> {
        let mut model = Model::default();
        model.global.router_id = Some(String::from_utf8(sealed.read()?).unwrap());
        Ok(model)
    }

    fn sealed(text: &str) -> Sealed {
        Sealed::new("test", text.as_bytes()).unwrap()
    }

    fn prepare(compiler: &mut Compiler, generation: u64, text: &str) {
        compiler.prepare(generation, sealed(text), &Scheduling::default());
    }

    fn order(compiler: &mut Compiler, generation: u64, text: &str) {
        compiler.order(generation, sealed(text), &Scheduling::default());
    }

    /// The next one that is ready: its number, and what it says or why not.
    fn wait(compiler: &mut Compiler) -> (u64, String) {
        loop {
            if let Some((generation, product)) = compiler.finished().unwrap() {
                let said = product.map(|model| model.global.router_id.unwrap());
                return (generation, said.unwrap_or_else(|error| error.to_string()));
            }
            let woken = linux::ipc::wait(&[compiler.as_fd()], Some(Duration::from_secs(60))).unwrap();
            assert_eq!(woken, [true], "nothing was compiled");
        }
    }

    /// A compiler that works only when it is let, and says when it has begun.
    fn slow() -> (Compiler, mpsc::Receiver<()>, mpsc::Sender<()>) {
        let ((begin, begun), (go, may)) = (mpsc::channel(), mpsc::channel::<()>());
        let may = Mutex::new(may);
        let compiler = Compiler::with(Arc::new(move |sealed: &Sealed| {
            let _ = begin.send(());
            let _ = may.lock().unwrap().recv();
            named(sealed)
        }));
        (compiler.unwrap(), begun, go)
    }

    #[test]
    fn what_is_ordered_is_given_when_it_is_ready() {
        let mut compiler = Compiler::with(Arc::new(named)).unwrap();
        assert!(compiler.finished().unwrap().is_none());
        for generation in 2..5 {
            order(&mut compiler, generation, "a");
            assert_eq!(wait(&mut compiler), (generation, "a".to_owned()));
            assert!(compiler.finished().unwrap().is_none(), "it is given once");
        }
    }

    #[test]
    fn what_is_prepared_waits_for_its_order_and_is_compiled_once() {
        let (mut compiler, begun, go) = slow();
        prepare(&mut compiler, 2, "prepared");
        go.send(()).unwrap();
        linux::ipc::wait(&[compiler.as_fd()], None).unwrap();
        assert!(compiler.finished().unwrap().is_none(), "nobody has ordered it");
        order(&mut compiler, 2, "not looked at");
        assert_eq!(wait(&mut compiler), (2, "prepared".to_owned()));
        assert_eq!(begun.try_iter().count(), 1);
    }

    #[test]
    fn of_several_the_newest_wins_also_over_one_that_is_under_way() {
        let (mut compiler, begun, go) = slow();
        order(&mut compiler, 2, "a");
        begun.recv().unwrap();
        order(&mut compiler, 3, "b");
        order(&mut compiler, 4, "c");
        go.send(()).unwrap();
        go.send(()).unwrap();
        assert_eq!(wait(&mut compiler), (4, "c".to_owned()));
        assert_eq!(begun.try_iter().count(), 1, "the one in between was not compiled");
    }

    #[test]
    fn what_was_refused_is_forgotten_and_another_of_its_number_is_another() {
        let (mut compiler, begun, go) = slow();
        prepare(&mut compiler, 2, "refused");
        begun.recv().unwrap();
        compiler.forget();
        order(&mut compiler, 2, "accepted");
        go.send(()).unwrap();
        go.send(()).unwrap();
        assert_eq!(wait(&mut compiler), (2, "accepted".to_owned()));
        prepare(&mut compiler, 3, "refused too");
        go.send(()).unwrap();
        linux::ipc::wait(&[compiler.as_fd()], None).unwrap();
        assert!(compiler.finished().unwrap().is_none());
        compiler.forget();
        order(&mut compiler, 3, "last");
        go.send(()).unwrap();
        assert_eq!(wait(&mut compiler), (3, "last".to_owned()));
    }

    #[test]
    #[allow(clippy::panic, reason = "a bug is what is tested")]
    fn a_bug_costs_one_configuration_and_the_next_is_compiled() {
        let mut compiler = Compiler::with(Arc::new(|sealed: &Sealed| match sealed.read()?.as_slice() {
            b"bug" => panic!("a bug"),
            _ => named(sealed),
        }))
        .unwrap();
        order(&mut compiler, 2, "bug");
        let (generation, why) = wait(&mut compiler);
        assert_eq!(
            (generation, why.as_str()),
            (2, "cannot compile a configuration: internal error")
        );
        order(&mut compiler, 3, "good");
        assert_eq!(wait(&mut compiler), (3, "good".to_owned()));
    }

    #[test]
    fn a_compiler_that_is_dropped_in_the_middle_ends_its_thread() {
        let (mut compiler, begun, go) = slow();
        order(&mut compiler, 2, "a");
        begun.recv().unwrap();
        drop(compiler);
        go.send(()).unwrap();
        assert!(begun.recv().is_err(), "the thread has dropped its work");
    }

    #[test]
    fn bytes_that_are_no_bundle_are_an_error() {
        let mut compiler = Compiler::new(Kind::Vrrp).unwrap();
        order(&mut compiler, 2, "x");
        let (_, why) = wait(&mut compiler);
        assert!(why.starts_with("cannot read a message"), "{why}");
    }
}
