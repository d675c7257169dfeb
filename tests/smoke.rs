use sigtree::{Bus, Event};
#[test]
fn smoke() {
    let bus = Bus::new();
    let _a = bus.connect("radar.**", |event: &Event| println!("{}", event.topic())).unwrap();
    let _b = bus.connect("radar.track.new", |id: &u32| println!("{id}")).unwrap();
    assert_eq!(bus.emit("radar.track.new", 7_u32).called(), 2);
    assert_eq!(bus.emit("radar.track.new", 7_u32).called(), 2);
    assert_eq!(bus.emit("radar.track.new", 7_u32).called(), 2);
    let s = bus.signal::<u32>("radar.track.new").unwrap();
    assert_eq!(s.emit(1).called(), 2);
    assert_eq!(s.emit(1).called(), 2);
}
